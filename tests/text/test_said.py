"""Names of tokens that steer, in what people say."""

import random
import re
import time

from tests.text.test_vocabularies import vocabulary_of
from wherry.text.said import Said


def _said(names: list[str]) -> Said:
    letters = list(vocabulary_of("gpt2").names)
    return Said(vocabulary_of("gpt2", tokens=[*letters, *names], token_type=[1] * len(letters) + [3] * len(names)))


def test_of_names_that_begin_alike_the_longest_is_put_aside() -> None:
    chosen = random.Random(1)
    for _ in range(100):
        names = sorted({"<" + "".join(chosen.choices("<ab|>", k=chosen.randint(1, 6))) for _ in range(30)}, key=len, reverse=True)
        text = "".join(chosen.choices("<ab|>", k=80))
        said = _said(names)
        expected = re.sub("|".join(map(re.escape, names)), "\ufffc", text)
        assert re.sub("\uf8f0[0-9]+\uf8f1", "\ufffc", said.aside(text)) == expected
        assert said.encode(said.aside(text)) == said.vocabulary.encode(text)


def test_a_text_of_beginnings_of_names_takes_no_time() -> None:
    said = _said([f"<unused{i}>" for i in range(6000)])
    started = time.monotonic()
    for text in ("<" * 200_000, "<unused" * 30_000, "<unused59990" * 20_000):
        assert said.aside(text) == text
    assert time.monotonic() - started < 5
