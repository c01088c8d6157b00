"""Texts of many callers: each is what it is alone, whatever the others do; pages come back; errors go to whom they hurt."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.engine.test_language import smollm2
from tests.references.llm_prompts import PROMPTS
from wherry.engine import answers
from wherry.engine.language import Language, load_language
from wherry.engine.pagebook import PageBook
from wherry.engine.sampling import SamplingOptions
from wherry.engine.scheduler import Scheduler
from wherry.errors import InputError, OutOfMemoryError, PromptTooLongError, StoppedError, TooLargeError
from wherry.kernels.pages import PAGE

__all__ = ["smollm2"]
# Made by tests/references/llm_scores.py.
_SCORES = json.loads((ROOT / "tests/fixtures/llm_scores.json").read_text())


def whole(model: Language, prompt: list[int], options: SamplingOptions, most: int = 12) -> list[int]:
    return [answer.token for answer in model.generate(prompt, options, most)]


def test_a_text_is_the_same_alone_and_among_sixteen_others(smollm2: Language) -> None:
    """Prompts of several lengths with a common beginning, every way of drawing; some are given up on the way."""
    begin = smollm2.text_prompt("The ferry leaves the harbour at seven, and those who are late wait for the next one. " * 4)
    ways = [
        SamplingOptions(temperature=1.0, seed=3),
        SamplingOptions(temperature=0.8, top_k=40, top_p=0.9, seed=4),
        SamplingOptions(repeat_penalty=1.3, frequency_penalty=0.5),
        SamplingOptions(temperature=1.2, mirostat=2, seed=5),
    ]
    cases = [(begin[: 20 + 3 * i] + begin[i : 2 * i], replace(ways[i % 4], seed=i)) for i in range(16)]
    alone = [whole(smollm2, *case) for case in cases[::5]]
    found: dict[int, list[int]] = {}

    def ask(i: int) -> None:
        found[i] = whole(smollm2, *cases[i])

    def give_up() -> None:
        for _, _ in zip(range(3), smollm2.generate(begin, SamplingOptions(), 500), strict=False):
            pass

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(16)] + [threading.Thread(target=give_up)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(0, 16, 5)] == alone
    assert settled(smollm2.scheduler)


def settled(scheduler: Scheduler) -> bool:
    """Whether nobody holds a page, once the worker has ended."""
    for _ in range(1000):
        if scheduler._worker is None:
            return scheduler.book.held == 0
        time.sleep(0.01)
    return False


def test_prompts_with_a_known_beginning_are_answered_alike(smollm2: Language) -> None:
    prompt = smollm2.text_prompt("It rained on the islands for three days, and on the fourth the sun came out. " * 6)[: PAGE + 30]
    options = SamplingOptions(temperature=1.0, seed=9)
    read = []
    rows = smollm2.scheduler.rows
    original = rows.read

    def watched(tokens: Sequence[int], *rest: Any, **more: Any) -> Any:
        read.append(len(tokens))
        return original(tokens, *rest, **more)

    rows.read = watched  # type: ignore[method-assign]
    try:
        first, second = whole(smollm2, prompt, options), whole(smollm2, prompt, options)
    finally:
        rows.read = original  # type: ignore[method-assign]
    assert first == second
    assert read == [PAGE + 30, 30]


@pytest.mark.parametrize("name", _SCORES)
def test_how_likely_a_text_is_is_what_float32_says(name: str, smollm2: Language) -> None:
    """Whatever is known of its beginning, and beside a text that grows; what comes after it is as it would be."""
    prompt, expected = list(PROMPTS[name]), _SCORES[name]
    after = whole(smollm2, prompt, SamplingOptions(), 4)
    other = smollm2.submit(prompt[:9], SamplingOptions(), 20)
    for _ in range(2):
        told = answers.score(smollm2, prompt, 1)
        assert [token.id for token in told] == prompt
        assert (told[0].logprob, told[0].top) == (0.0, ())
        assert [token.logprob for token in told[1:]] == pytest.approx(expected["own"], abs=0.02)
        assert [token.top[0].logprob for token in told[1:]] == pytest.approx(expected["best"], abs=0.02)
    assert len(list(other)) == 20
    assert whole(smollm2, prompt, SamplingOptions(), 4) == after
    assert settled(smollm2.scheduler)


def test_texts_that_have_no_likelihood(smollm2: Language) -> None:
    (only,) = answers.score(smollm2, [5])
    assert (only.id, only.logprob) == (5, 0.0)
    with pytest.raises(InputError, match="no tokens"):
        answers.score(smollm2, [])
    with pytest.raises(InputError, match="unknown"):
        answers.score(smollm2, [1 << 20])
    with pytest.raises(InputError, match="top: found 21"):
        answers.score(smollm2, [5], 21)
    with pytest.raises(PromptTooLongError, match="maximum context length"):
        answers.score(smollm2, [5] * (smollm2.context + 1))

    def stop() -> None:
        raise StoppedError("enough")

    with pytest.raises(StoppedError):
        answers.score(smollm2, [5] * smollm2.context, check=stop)
    assert settled(smollm2.scheduler)


class Counted:
    """Rows that draw 1, 2, 3, …, and remember what they were asked."""

    rows, pages, context, at_once, least, exact = 2, 9, 2 * PAGE, 8, 1, True

    def __init__(self) -> None:
        self.tokens = np.zeros((2, 16), np.int32)
        self.begun: list[tuple[int, list[int], int]] = []
        self.counts = [0, 0]
        self.broken = False

    def read(self, tokens: Sequence[int], start: int, pages: Sequence[int], *, last: bool = True) -> None:
        assert len(pages) * PAGE >= start + len(tokens) and 0 not in pages
        if self.broken:
            raise RuntimeError("the device is gone")

    def begin(self, row: int, text: Any, pages: Any, options: Any, biases: Any, logits: Any, drawn: int) -> None:
        self.begun.append((row, list(text), drawn))
        self.counts[row] = drawn
        self._draw(row)

    def _draw(self, row: int) -> None:
        self.tokens[row, self.counts[row] % 16] = self.counts[row] + 1
        self.counts[row] += 1

    def step(self, rows: int, times: int) -> None:
        for row in range(rows):
            for _ in range(times):
                self._draw(row)

    def end(self, row: int) -> None: ...

    def made(self) -> Any:
        return self.tokens, np.zeros((2, 16), np.float32)


def test_a_full_context_ends_a_text_or_shifts_it() -> None:
    rows = Counted()
    scheduler = Scheduler(rows)  # type: ignore[arg-type]
    prompt = list(range(100, 100 + 2 * PAGE - 5))
    made = list(scheduler.submit(prompt, SamplingOptions(), 40))
    assert [m.token for m in made] == [1, 2, 3, 4, 5]
    assert made[-1].last
    made = list(scheduler.submit(prompt, SamplingOptions(), 40, shift=True))
    assert [m.token for m in made] == list(range(1, 41))
    assert rows.begun[-1] == (0, prompt[:4] + [*prompt, 1, 2, 3, 4, 5][-(PAGE - 4) :], 5)
    with pytest.raises(TooLargeError, match="expected fewer than the context of 128"):
        scheduler.submit([1] * 128, SamplingOptions(), 1)
    assert settled(scheduler)


def test_a_text_that_shifts_may_have_to_wait_for_pages() -> None:
    """It shared its first page with another text, which goes on to hold it."""
    rows = Counted()
    rows.pages = 4
    scheduler = Scheduler(rows)  # type: ignore[arg-type]
    begin = list(range(100, 100 + PAGE))
    list(scheduler.submit([*begin, 7], SamplingOptions(), 1))  # the page is known now
    shifting = scheduler.submit([*begin, *begin[5:]], SamplingOptions(), 40, shift=True)
    other = scheduler.submit([*begin, 8], SamplingOptions(), 50)
    assert [made.token for made in shifting] == list(range(1, 41))
    assert [made.token for made in other] == list(range(1, 51))
    assert settled(scheduler)


def test_work_between_steps_waits_for_pages() -> None:
    rows = Counted()
    rows.pages = 3
    scheduler = Scheduler(rows)  # type: ignore[arg-type]
    streams = [scheduler.submit([7] * PAGE, SamplingOptions(), 40) for _ in range(2)]  # both pages each
    assert len(scheduler.call(lambda _, pages: pages, 2 * PAGE)) == 2
    with pytest.raises(TooLargeError, match="found 129 tokens, expected at most 128"):
        scheduler.call(lambda _, pages: pages, 2 * PAGE + 1)
    assert [[made.token for made in stream] for stream in streams] == [list(range(1, 41))] * 2
    assert settled(scheduler)


def test_more_texts_than_rows_wait_and_none_is_lost() -> None:
    scheduler = Scheduler(Counted())  # type: ignore[arg-type]
    streams = [scheduler.submit([7, i], SamplingOptions(), 20, ends=frozenset({11})) for i in range(9)]
    streams[4].cancelled = True
    found = [[made.token for made in stream] for stream in streams]
    assert [f for i, f in enumerate(found) if i != 4] == [list(range(1, 12))] * 8
    assert settled(scheduler)


def test_an_error_goes_to_everybody_and_the_next_text_is_tried_again() -> None:
    rows = Counted()
    scheduler = Scheduler(rows)  # type: ignore[arg-type]
    rows.broken = True
    with pytest.raises(RuntimeError, match="the device is gone"):
        list(scheduler.submit([1, 2], SamplingOptions(), 5))
    rows.broken = False
    assert [made.token for made in scheduler.submit([1, 2], SamplingOptions(), 3)] == [1, 2, 3]
    assert settled(scheduler)


def test_pages_are_shared_as_far_as_they_are_known() -> None:
    book = PageBook(6)
    tokens = list(range(3 * PAGE))
    pages = book.take(3)
    assert pages is not None and 0 not in pages
    book.know(pages, tokens)
    book.give(pages)
    other = [*tokens[: 2 * PAGE], *[0] * PAGE]
    assert book.shared(other, len(other)) == pages[:2]
    assert book.shared(tokens, 3 * PAGE - 1) == pages[:2]
    assert book.take(4) is None
    assert book.available == 3
    book.give(pages[:2])
    assert book.held == 2
    book.give(pages[:2])
    assert book.take(5) is not None  # what nobody holds makes room
    assert book.shared(tokens, len(tokens)) == []


def test_what_does_not_fit_says_by_how_much(smollm2: Language) -> None:
    from wherry.engine.catalog import default_cache, find_model

    file = find_model("smollm2-135m-instruct", default_cache()).weights
    with pytest.raises(OutOfMemoryError, match=r"needs 3\d\d MB with a context of 4096 tokens, 1\d\d MB more than the 200 MB"):
        load_language(file, device="cpu", memory=200_000_000)
    with pytest.raises(OutOfMemoryError) as caught:
        load_language(file, device="cpu", memory=200_000_000)
    assert caught.value.hint == "a context of 704 tokens would fit"
    assert load_language(file, device="cpu", memory=200_000_000, context=704).memory.bytes <= 200_000_000
