"""The page in a real Chromium: upload, microphone, words as they arrive, downloads, errors, keyboard, phone, dark, Chinese.

Screenshots are kept in build/screenshots.
"""

import json
import re
import wave
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from selenium.webdriver.common.keys import Keys

from tests.apps.browser import Browser, browser
from tests.apps.serving import Served
from tests.apps.speech.test_openai_python import SAMPLE_TEXT
from tests.conftest import ROOT, SAMPLE

SENTENCES = ["A ferry is a light boat that carries people and goods across a river.",
             "This one carries small programs to any processor."]  # fmt: skip


class Page(Browser):
    def choose(self, path: Path) -> None:
        self.get("#file").send_keys(str(path))

    def done(self) -> list[str]:
        """The segments' text, once all are there."""
        self.until(lambda: self.get("#status").text in ("Done", "完成"))
        texts: list[str] = self.run("return [...document.querySelectorAll('#segments button span')].map((e) => e.textContent)")
        return texts


@pytest.fixture(scope="module")
def tab(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Generator[Page]:
    """Its microphone plays the sample."""
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={SAMPLE}",
    )
    with browser(Page, served.url, served.key, tmp_path_factory.mktemp("browser"), *flags) as found:
        yield found


@pytest.fixture
def page(tab: Page) -> Page:
    """The page anew, in English, on a wide and light screen; what it complains of is forgotten."""
    tab.look()
    tab.open()
    if tab.get("#tongue").text == "English":
        tab.get("#tongue").click()
    tab.driver.get_log("browser")
    tab.requested()
    return tab


def api(served: Served, response_format: str) -> str:
    answer = httpx2.post(
        f"{served.url}/v1/audio/transcriptions",
        headers={"Authorization": f"Bearer {served.key}"},
        files={"file": ("sample.wav", SAMPLE.read_bytes())},
        data={"response_format": response_format},
        timeout=60,
    )
    assert answer.status_code == 200
    return answer.text


def test_an_upload_is_written_down_heard_and_kept(page: Page, served: Served) -> None:
    page.shoot("empty")
    page.choose(SAMPLE)
    assert page.done() == SENTENCES
    page.shoot("done")
    # A segment is heard when it is chosen.
    page.all("#segments button")[1].click()
    page.until(lambda: page.run("return !player.paused && player.currentTime >= 4.5"))
    page.until(lambda: page.all("#segments button")[1].get_attribute("aria-current") == "true")
    page.run("player.pause()")
    # The downloads are what the API itself would have written.
    for kind in ("txt", "srt", "vtt", "json"):
        page.get(f"[data-format={kind}]").click()
        path = page.downloads / f"sample.{kind}"
        page.until(path.exists)
        text = path.read_text(encoding="utf-8")
        if kind in ("srt", "vtt"):
            assert text == api(served, kind)
        elif kind == "txt":
            assert text.split("\n") == [*SENTENCES, ""]
        else:
            data = json.loads(text)
            assert (data["text"], data["language"]) == (SAMPLE_TEXT, "english")
            assert [segment["text"].strip() for segment in data["segments"]] == SENTENCES
    # Nothing left this machine, and nothing went wrong on the way.
    asked = {url for url in page.requested() if not url.startswith(("chrome:", "data:", f"blob:{served.url}"))}
    assert asked and all(url.startswith(f"{served.url}/") for url in asked)
    assert page.driver.get_log("browser") == []


@pytest.mark.slow
def test_words_arrive_while_the_rest_is_heard(page: Page, tmp_path: Path) -> None:
    """Two windows of 30 s: the first one's segments are there before the second has been heard."""
    path = tmp_path / "long.wav"
    with wave.open(str(SAMPLE)) as sample, wave.open(str(path), "wb") as long:
        long.setparams(sample.getparams())
        long.writeframes(sample.readframes(sample.getnframes()) * 4)
    page.run(
        "window.seen = [];"
        "new MutationObserver(() => seen.push([document.querySelectorAll('#segments button').length,"
        " document.querySelector('#status').textContent])).observe(document.querySelector('#segments'), {childList: true})"
    )
    page.choose(path)
    page.until(lambda: page.find("#segments button"))
    assert 0.5 < float(page.get("#progress").get_attribute("value") or 0) < 1
    page.shoot("streaming")
    text = " ".join(page.done())
    assert text.count("any processor") >= 3  # it may stumble over so much of the same
    seen = [(count, status) for count, status in page.run("return seen") if count]
    assert seen[0][1] == "Listening …"
    assert seen[0][0] < len(page.all("#segments button"))


def test_the_microphone(page: Page) -> None:
    page.get("#record").click()
    page.until(lambda: page.get("#clock").text >= "0:05")
    assert page.get("#record").get_attribute("aria-pressed") == "true"
    page.shoot("recording")
    page.get("#record").click()
    text = " ".join(page.done())
    assert "carries people" in text
    assert page.get("#file-name").text.endswith(".webm")
    assert page.until(lambda: page.run("return Number.isFinite(player.duration) && player.duration")) > 4


def test_errors_are_shown(page: Page, tmp_path: Path) -> None:
    (tmp_path / "book.wav").write_text("Call me Ishmael. " * 100)
    (tmp_path / "empty.wav").touch()
    with (tmp_path / "large.wav").open("wb") as file:
        file.truncate(26 << 20)
    for name, message in {"book": "no recording", "empty": "empty", "large": "up to 25 MB"}.items():
        page.choose(tmp_path / f"{name}.wav")
        page.until(lambda message=message: message in page.get("#error").text)  # type: ignore[misc]
        assert not page.get("#result").is_displayed()
    page.shoot("error")
    page.run("window.fetch = () => Promise.reject(new TypeError('gone'))")
    page.choose(SAMPLE)
    page.until(lambda: "does not answer" in page.get("#error").text)
    page.open()
    page.choose(SAMPLE)
    assert page.done() == SENTENCES
    assert not page.get("#error").is_displayed()


def test_everything_by_keyboard(page: Page) -> None:
    page.run("document.body.focus()")
    path = [page.press(Keys.TAB) for _ in range(3)]
    assert path == ["tongue", "file", "record"]
    ring = page.run("const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]")
    assert ring == ["solid", "3px"]
    page.press(Keys.TAB)  # the options
    page.press(Keys.ENTER)
    assert page.get("#model").is_displayed()
    assert page.press(Keys.TAB) == "model"
    page.shoot("options")
    page.choose(SAMPLE)
    assert page.done() == SENTENCES
    page.run("document.querySelector('#segments button').focus()")
    assert "segment" in page.press(Keys.ARROW_DOWN)
    page.press(Keys.ENTER)
    page.until(lambda: page.run("return player.currentTime >= 4.5"))
    page.run("player.pause()")
    reached = {page.press(Keys.TAB) for _ in range(6)}
    assert {"copy", "button"} <= reached
    # Escape ends what is being heard.
    page.run(
        "window.fetch = (_, { signal }) => new Promise((_, no) => signal.addEventListener('abort', () => no(signal.reason)))"
    )
    page.choose(SAMPLE)
    page.until(lambda: page.get("#cancel").is_displayed())
    page.press(Keys.ESCAPE)
    page.until(lambda: page.get("#status").text == "Stopped")


def test_chinese(page: Page) -> None:
    page.run("document.querySelector('details').open = true")
    page.get("#tongue").click()
    page.choose(SAMPLE)
    assert page.done() == SENTENCES
    assert page.run("return document.documentElement.lang") == "zh-Hans"
    said = page.run("return [...document.querySelectorAll('[data-say]')].map((element) => element.textContent)")
    assert len(said) > 15
    assert [text for text in said if not re.search("[\u4e00-\u9fff]", text)] == []
    assert page.run("return document.querySelector('#language').options[0].textContent") == "自动检测"
    page.shoot("chinese")
    page.open()
    assert page.get("#tongue").text == "English"  # the choice is kept


def test_every_word_has_both_languages() -> None:
    text = (ROOT / "apps/speech/page/words.js").read_text(encoding="utf-8")
    english, chinese = (re.findall(r"^    (\w+):", part, re.M) for part in text.split("  zh: {"))
    assert english == chinese and len(english) > 30


@pytest.mark.parametrize("dark", [False, True])
def test_phones(dark: bool, page: Page) -> None:
    page.look(width=360, height=740, dark=dark, phone=True)
    page.choose(SAMPLE)
    assert page.done() == SENTENCES
    page.run("window.scrollTo(0, 0)")
    page.shoot("phone-dark" if dark else "phone")
    assert page.run("return document.documentElement.scrollWidth") <= 360
    small = page.run(
        "return [...document.querySelectorAll('button, a.button, summary')].filter((e) => e.checkVisibility())"
        ".map((e) => [e.textContent.trim(), e.getBoundingClientRect().height]).filter(([, height]) => height < 32)"
    )
    assert small == []
    paper = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) < 150) is dark
