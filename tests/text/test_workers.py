"""Work that a stranger's input decides ends at its limits, and where nobody waits for it; the process that asks goes on."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.conftest import ROOT
from tests.text.test_language import FIELDS
from wherry.errors import FormatError, InputError, StoppedError, TooLargeError
from wherry.text import language as language_module
from wherry.text.constraint import Constraint, gbnf, grammar_words, json_schema, regular_expression
from wherry.text.language import Vocabulary, gguf_vocabulary
from wherry.text.templates import render_chat
from wherry.text.workers import Limits, WorkerEndedError, Workers, shared_workers

_MESSAGES = [{"role": "user", "content": "hello"}]
# Each is one call of C for very long: a limit that looks at the clock between two lines of a template sees nothing.
_LONG_CALLS = [
    "{{ ([[0]] * 900000) | sum(start=[]) | length }}",
    "{% set a = range(99999) | list %}{{ a | reject('in', a) | list | length }}",
    "{% set a = range(99999) | map('string') | list %}{{ a | select('in', a | reverse | list) | list | length }}",
]


@pytest.mark.parametrize("number", range(len(_LONG_CALLS)))
def test_a_template_that_stays_in_one_call_is_ended(number: int) -> None:
    begun = time.monotonic()
    with pytest.raises(FormatError, match="chat template: found a program that does not end in 5 s"):
        render_chat(_LONG_CALLS[number], _MESSAGES, names={})
    assert time.monotonic() - begun < 60


# Made after reports: patterns that intersect in too many states, divisors of many digits.
_HEAVY_SCHEMAS: list[dict[str, Any]] = [
    {"type": "string", "allOf": [{"pattern": f".*a.{{{count}}}"} for count in range(16)]},
    {"type": "object", "properties": {"b": {"allOf": [{"type": "string", "pattern": f"(.*b.{{{n}}})+"} for n in range(1, 18)]}}},
]


@pytest.mark.parametrize("schema", _HEAVY_SCHEMAS)
def test_a_schema_that_computes_for_ever_is_refused(schema: dict[str, Any]) -> None:
    begun = time.monotonic()
    with pytest.raises(InputError, match=r"found a grammar that takes more than 0\.8 s"):
        json_schema(schema)
    assert time.monotonic() - begun < 30


@pytest.fixture(scope="module")
def digits() -> Vocabulary:
    names = (*map(str, range(10)), *'abcdefghijklmnopqrstuvwxyz-"{}[]:, ', "<|im_end|>")
    kinds = (*[1] * (len(names) - 1), 3)
    return gguf_vocabulary(
        Path("m.gguf"),
        {**FIELDS, "tokenizer.ggml.tokens": names, "tokenizer.ggml.token_type": kinds, "tokenizer.ggml.merges": (),
         "tokenizer.ggml.eos_token_id": len(names) - 1},
    )  # fmt: skip


def test_a_schema_whose_check_is_quick_and_whose_answer_is_not_is_refused(digits: Vocabulary) -> None:
    words = grammar_words(digits, len(digits.pieces))
    grammar = json_schema({"type": "integer", "multipleOf": 999983})
    with pytest.raises(InputError, match="json_schema: found a grammar that takes more than"):
        Constraint(words, grammar)


def test_an_ambiguous_grammar_gets_so_much_work_for_an_answer_and_no_more(digits: Vocabulary) -> None:
    words = grammar_words(digits, len(digits.pieces))
    constraint = Constraint(words, gbnf('root ::= s\ns ::= s s | s s s | "a" | ""\n'))
    token, begun = digits.names.index("a"), time.monotonic()

    def grow() -> None:
        for _ in range(5000):
            constraint.take(token)

    with pytest.raises(InputError, match=r"grammar: "):
        grow()
    assert time.monotonic() - begun < 120


def test_answers_under_grammars_do_not_disturb_one_another(digits: Vocabulary) -> None:
    words = grammar_words(digits, len(digits.pieces))
    first, second = (Constraint(words, regular_expression(pattern)) for pattern in ("ab", "[0-9]c"))
    names = digits.names
    with pytest.raises(InputError, match="found token"):
        second.take(names.index("b"))
    first.take(names.index("a"))
    second.take(names.index("7"))
    first.close()
    assert [names[token] for token in second.mask().nonzero()[0]] == ["c"]
    second.take(names.index("c"))
    assert second.complete


def test_work_that_nobody_waits_for_is_killed() -> None:
    children = {*_descendants()}
    begun = time.monotonic()

    def check() -> None:
        if time.monotonic() - begun > 0.5:
            raise StoppedError("the client has left")

    with pytest.raises(StoppedError):
        render_chat(_LONG_CALLS[0], _MESSAGES, names={}, check=check)
    _wait_until(lambda: len({*_descendants()} - children) <= 1)  # the one that forks stays, if it was started here


def test_work_ends_with_the_process_that_asked(digits: Vocabulary) -> None:
    workers = Workers(digits.workers.load)
    session = workers.start("match", limits=Limits(60, 1 << 30, 60), kind=b"W", argument=len(digits.pieces))
    session.send({"text": regular_expression("a*").text, "field": "regex"})
    session.receive()
    process = workers._process
    assert process is not None
    job = next(_descendants(process.process.pid))
    process.control.close()  # as the end of this process does
    _wait_until(lambda: process.process.poll() is not None and _is_gone(job))


def test_processes_end_with_their_vocabulary() -> None:
    vocabulary = gguf_vocabulary(Path("m.gguf"), FIELDS)
    vocabulary.encode("ab" * 20_000)
    process = vocabulary.workers._process
    assert process is not None and process.process.poll() is None
    del vocabulary
    assert process.process.poll() is not None


def test_a_worker_that_was_killed_is_started_again() -> None:
    workers = Workers()
    job = {"form": "regex", "text": "a", "field": "regex", "options": {}}
    first, _ = workers.run("grammar", job, limits=Limits(5, 1 << 30, 30))
    assert workers._process is not None
    workers._process.process.kill()
    workers._process.process.wait()
    assert workers.run("grammar", job, limits=Limits(5, 1 << 30, 30))[0] == first
    workers.close()


def test_a_job_gets_so_much_memory_and_no_more() -> None:
    step = "{% set ns.l = ns.l + ['a' * 1000000] %}"
    grow = f"{{% set ns = namespace(l=[]) %}}{{% for i in range(60) %}}{step}{{% endfor %}}{{{{ ns.l | join }}}}"
    job = {"template": grow, "messages": [], "names": {}}
    assert len(shared_workers().run("render", job | {"template": "ok"}, limits=Limits(5, 1 << 30, 30))[0]["text"]) == 2
    with pytest.raises((WorkerEndedError, FormatError)):
        shared_workers().run("render", job, limits=Limits(5, 16 << 20, 30))


def test_a_large_text_has_the_tokens_that_it_has_here(digits: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("a1b2" * 20_000, "z" * 50_000, "-" * 20_000 + "<|im_end|>" + "7" * 20_000):
        for special in (False, True):
            assert digits.encode(text, special=special) == digits.encode_here(text, special=special)
    monkeypatch.setattr(language_module, "_LIMITS", Limits(0.05, 2 << 30, 30))
    with pytest.raises(TooLargeError, match="text: found 20000000 characters"):
        digits.encode("ab12" * 5_000_000)


def test_other_threads_go_on_while_a_large_text_is_read(digits: Vocabulary) -> None:
    digits.encode("1" * 20_000)  # its process runs
    ended, gaps = threading.Event(), [0.0]

    def tick() -> None:
        last = time.monotonic()
        while not ended.wait(0.01):
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    ticking = threading.Thread(target=tick)
    ticking.start()
    digits.encode("12ab" * 100_000)
    ended.set()
    ticking.join()
    assert max(gaps) < 1


def test_a_compiled_schema_is_remembered() -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(40)}}
    first = json_schema(schema)
    assert json_schema(json.loads(json.dumps(schema))) is first
    assert json_schema(schema, spaced=False) is not first


def _descendants(process: int | None = None) -> Any:
    """Processes below this one."""
    wanted = {os.getpid() if process is None else process}
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    for _ in range(4):
        wanted |= {child for child, parent in parents.items() if parent in wanted}
    return iter(wanted - {os.getpid() if process is None else process})


def _is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _wait_until(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_workers_start_under_a_program_loader_and_without_the_site_module(tmp_path: Path) -> None:
    """As in a container whose root has no loader: the interpreter's own path alone starts nothing there."""
    program = Path(sys.executable).resolve()
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    loader = next(line.split()[0] for line in listed.splitlines() if "ld-linux" in line)
    folders = {str(Path(words[2]).parent) for line in listed.splitlines() if len(words := line.split()) > 3}
    site = tmp_path / "site"
    shutil.copytree(ROOT / "src/wherry", site / "wherry")
    for entry in Path(numpy.__file__).parents[1].iterdir():
        if entry.name != "wherry":
            (site / entry.name).symlink_to(entry)
    code = f"import sys; sys.path.append({str(site)!r})\nfrom wherry.text.templates import render_chat\n"
    code += "print(render_chat('{{ messages[0].content }}', [{'role': 'user', 'content': 'rendered'}], names={}))"
    command = [loader, "--inhibit-cache", "--library-path", ":".join(folders), str(program), "-ISB", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("rendered\n", 0), done.stderr
