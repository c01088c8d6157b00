"""The chat page in a real Chromium: words as they come, stop, history, errors, keyboard, phone, dark, Chinese.

Screenshots are kept in build/screenshots.
"""

import re
from collections.abc import Generator

import pytest
from selenium.webdriver.common.keys import Keys

from tests.apps.browser import Browser, browser
from tests.apps.chat.test_chat import PARIS
from tests.apps.serving import Served
from tests.conftest import ROOT

QUESTION = "What is the capital of France?"
STORY = "Write a long story about a ferry and a river."  # longer than anybody waits for


class Page(Browser):
    def set(self, name: str, value: str) -> None:
        self.run(
            "const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input'))",
            name,
            value,
        )

    def say(self, text: str) -> None:
        self.get("#text").send_keys(text + Keys.ENTER)

    def done(self) -> list[str]:
        """What was said, once the answer is there."""
        self.until(lambda: self.get("#send").is_displayed() and self.get("#status").text)
        return self.words()

    def words(self) -> list[str]:
        found: list[str] = self.run("return [...document.querySelectorAll('.words')].map((e) => e.textContent)")
        return found


@pytest.fixture(scope="module")
def tab(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Generator[Page]:
    with browser(Page, served.url, served.key, tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def page(tab: Page) -> Page:
    """The page anew, in English, on a wide and light screen; answers are short and always the same."""
    tab.look()
    tab.driver.get(f"{tab.url}/")
    tab.run("sessionStorage.removeItem('talk'); localStorage.removeItem('talks')")
    tab.open()
    if tab.get("#tongue").text == "English":
        tab.get("#tongue").click()
    tab.set("temperature", "0")
    tab.set("most", "12")
    tab.driver.get_log("browser")
    tab.requested()
    return tab


def test_the_temperature_is_the_models_until_the_slider_moves(page: Page) -> None:
    page.open()
    page.set("most", "2")
    page.run("window.sent = []; const ask = window.fetch;"
             "window.fetch = (path, options) => { sent.push(JSON.parse(options.body)); return ask(path, options); }")  # fmt: skip
    shown = "return document.getElementById('temperature-value').textContent"
    assert page.run(shown) == "auto"
    page.say(QUESTION)
    page.done()
    page.set("temperature", "1.5")
    assert page.run(shown) == "1.5"
    page.say(QUESTION)
    page.until(lambda: page.run("return sent.length") == 2)
    page.done()
    assert ["temperature" in each for each in page.run("return sent")] == [False, True]


def test_a_conversation(page: Page, served: Served) -> None:
    page.shoot("chat-empty")
    page.say(QUESTION)
    assert page.done() == [QUESTION, PARIS]
    assert re.fullmatch(r"7 tokens, \d+ a second", page.get("#status").text)
    page.shoot("chat-done")
    page.run("navigator.clipboard.writeText = async (text) => { window.kept = text; }")
    page.all(".message button")[1].click()
    page.until(lambda: page.run("return window.kept") == PARIS)
    page.get("#copy").click()
    page.until(lambda: page.run("return window.kept") == f"You: {QUESTION}\n\nModel: {PARIS}\n")
    # The conversation so far is sent with what is said next, and outlives a reload.
    page.run("window.sent = []; const ask = window.fetch;"
             "window.fetch = (path, options) => { sent.push(JSON.parse(options.body)); return ask(path, options); }")  # fmt: skip
    page.set("system", "Be brief.")
    page.say("And of Italy?")
    assert len(page.done()) == 4
    (sent,) = page.run("return sent")
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "user"]
    assert (sent["temperature"], sent["max_tokens"]) == (0, 12)
    said = page.words()
    page.open()
    assert page.words() == said
    page.get("#clear").click()
    assert page.words() == [] and page.get("#empty").is_displayed()
    # Nothing left this machine, and nothing went wrong on the way.
    asked = {url for url in page.requested() if not url.startswith(("chrome:", "data:"))}
    assert asked and all(url.startswith(f"{served.url}/") for url in asked)
    assert page.driver.get_log("browser") == []


def test_words_come_one_by_one_and_can_be_stopped(page: Page) -> None:
    page.set("most", "2000")
    page.run("window.seen = new Set(); new MutationObserver(() => seen.add(document.querySelector('ol').lastChild?.textContent))"
             ".observe(document.querySelector('ol'), {childList: true, characterData: true, subtree: true})")  # fmt: skip
    page.say(STORY)
    page.until(lambda: page.run("return seen.size") > 5)
    page.shoot("chat-writing")
    assert page.get("#stop").is_displayed() and not page.get("#send").is_displayed()
    page.get("#stop").click()
    page.until(lambda: page.get("#status").text == "Stopped")
    said = page.words()
    assert len(said) == 2 and said[1]
    page.set("most", "12")
    page.get("#again").click()
    again = page.done()
    assert len(again) == 2 and said[1].startswith(again[1].rstrip()[:10])


def test_what_is_said_is_text_and_nothing_else(page: Page) -> None:
    hostile = "<img src=x onerror='window.hit = 1'><b>bold</b>"
    page.say(hostile)
    assert page.done()[0] == hostile
    assert page.all("#messages img, #messages b") == [] and page.run("return window.hit") is None


MARKDOWN = """# Squares

Use a **comprehension**, see [docs](https://docs.python.org/3/) and [here](javascript:window.hit=1):

```python
print([n * n for n in range(10)])
```

1. first `n`

| a | b |
| --- | --- |
| 1 | 2 |

<img src=x onerror=window.hit=1> ![pixel](https://example.com/x.png) <style>body { display: none }</style>"""


def test_answers_are_markdown_of_which_nothing_runs_or_loads(page: Page) -> None:
    talk = [{"role": "user", "content": "**Squares**?"}, {"role": "assistant", "content": MARKDOWN}]
    page.run("localStorage.setItem('talks', JSON.stringify([{id: 'a', messages: arguments[0]}]));"
             "sessionStorage.setItem('talk', 'a')", talk)  # fmt: skip
    page.open()
    page.until(lambda: page.all(".rich pre"))
    page.shoot("chat-markdown")
    assert page.words()[0] == "**Squares**?"  # what the user wrote stays as it is
    (code,) = page.all(".rich pre code")
    assert code.text == "print([n * n for n in range(10)])"
    for selector in (".rich h1", ".rich strong", ".rich ol li code", ".rich table td"):
        assert page.all(selector), selector
    links = [link.get_attribute("href") for link in page.all(".rich a")]
    assert links == ["https://docs.python.org/3/", None]
    assert page.all(".rich img, .rich style, .rich script") == [] and page.run("return window.hit") is None
    assert "<img src=x onerror=window.hit=1> pixel <style>" in page.words()[1]
    page.run("navigator.clipboard.writeText = async (text) => { window.kept = text; }")
    page.get(".rich pre button").click()
    page.until(lambda: page.run("return window.kept") == "print([n * n for n in range(10)])\n")


def test_several_conversations_are_kept_and_each_can_go(page: Page) -> None:
    page.set("most", "1")
    page.say("The first one")
    page.done()
    page.get("#new").click()
    assert page.words() == []
    page.say("The second one")
    page.done()
    page.get("#talks-title").click()
    assert [each.text for each in page.all("#talks-list .title")] == ["The second one", "The first one"]
    page.all("#talks-list .title")[1].click()
    assert page.words()[0] == "The first one"
    page.run("sessionStorage.removeItem('talk')")  # another tab begins anew, and has them all
    page.open()
    assert page.words() == [] and len(page.all("#talks-list li")) == 2
    page.get("#talks-title").click()
    page.all("#talks-list .drop")[0].click()
    assert [each.text for each in page.all("#talks-list .title")] == ["The first one"]


def test_errors_are_shown(page: Page) -> None:
    page.run("document.querySelector('#text').value = 'word '.repeat(9000)")
    page.get("#send").click()
    page.until(lambda: "longer than the model can read" in page.get("#error").text)
    page.shoot("chat-error")
    page.get("#clear").click()
    page.run("window.fetch = () => Promise.reject(new TypeError('gone'))")
    page.say(QUESTION)
    page.until(lambda: "does not answer" in page.get("#error").text)
    page.open()
    page.set("temperature", "0")
    page.get("#again").click()  # the question was kept
    assert page.done() == [QUESTION, PARIS]
    assert not page.get("#error").is_displayed()


def test_everything_by_keyboard(page: Page) -> None:
    assert page.run("return document.activeElement.id") == "text"
    page.get("#text").send_keys("a", Keys.SHIFT, Keys.ENTER, Keys.NULL, "b")
    assert page.get("#text").get_attribute("value") == "a\nb" and page.words() == []
    # Enter while a character is being composed chooses it.
    page.run("text.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, cancelable: true}))")
    assert page.words() == []
    page.set("text", "")
    page.set("most", "2000")
    page.say(STORY)
    page.until(lambda: page.get("#stop").is_displayed())
    page.press(Keys.ESCAPE)
    page.until(lambda: page.get("#status").text == "Stopped")
    page.run("document.querySelector('#text').focus()")
    reached = [page.press(Keys.TAB) for _ in range(3)]
    assert reached == ["send", "again", "copy"]
    ring = page.run("const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]")
    assert ring == ["solid", "3px"]


def test_chinese(page: Page) -> None:
    page.get("#tongue").click()
    page.run("document.querySelector('details').open = true")
    page.say(QUESTION)
    assert page.done() == [QUESTION, PARIS]
    assert page.run("return document.documentElement.lang") == "zh-Hans"
    said = page.run("return [...document.querySelectorAll('[data-say]')].map((element) => element.textContent)")
    assert len(said) > 15
    assert [text for text in said if not re.search("[\u4e00-\u9fff]", text)] == []
    assert page.get("#text").get_attribute("placeholder") == "输入消息"
    page.shoot("chat-chinese")
    page.open()
    assert page.get("#tongue").text == "English"  # the choice is kept


def test_every_word_has_both_languages() -> None:
    words = (ROOT / "apps/chat/page/words.js").read_text(encoding="utf-8")
    english, chinese = (re.findall(r"^    (\w+):", part, re.M) for part in words.split("  zh: {"))
    assert english == chinese and len(english) > 25


@pytest.mark.parametrize("dark", [False, True])
def test_phones(dark: bool, page: Page) -> None:
    page.look(width=360, height=740, dark=dark, phone=True)
    page.say(QUESTION)
    assert page.done() == [QUESTION, PARIS]
    page.shoot("chat-phone-dark" if dark else "chat-phone")
    assert page.run("return document.documentElement.scrollWidth") <= 360
    small = page.run(
        "return [...document.querySelectorAll('button, summary')].filter((e) => e.checkVisibility())"
        ".map((e) => [e.textContent.trim(), e.getBoundingClientRect().height]).filter(([, height]) => height < 32)"
    )
    assert small == []
    paper = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) < 150) is dark
