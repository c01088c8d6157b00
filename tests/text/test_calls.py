"""Calls as each family writes them, found in answers that come in pieces of any size; and examples, which are none."""

import json
from typing import Any

import pytest

from wherry.text.tools import CallReader

SCHEMAS: dict[str, Any] = {
    "get_weather": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "code": {"type": "string"}},
    },
    "now": {},
}
NOW = ("now", {})


def weather(**arguments: Any) -> tuple[str, Any]:
    return "get_weather", arguments


# What a model says, the calls in it, and what of it is text; None: all.
SAID: dict[str, tuple[str, list[Any], str | None]] = {
    "braces in an argument": (
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "{a} } ]"}}\n</tool_call>',
        [weather(city="{a} } ]")],
        "",
    ),
    "qwen3-coder": (
        (
            "I look.\n<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n"
            "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
        ),
        [weather(city="Paris", days=3)],
        "I look.\n",
    ),
    "code with a mark in it": (
        (
            '<tool_call>\n<function=get_weather>\n<parameter=code>\nif x:\n  print("</tool_call>")\n'
            "</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n"
            "</tool_call>"
        ),
        [weather(code='if x:\n  print("</tool_call>")'), NOW],
        "",
    ),
    "digits that are a string": (
        "<function=get_weather>\n<parameter=city>\n123\n</parameter>\n</function>",
        [weather(city="123")],
        "",
    ),
    "llama's function": ('<function=get_weather>{"city": "Paris"}</function>', [weather(city="Paris")], ""),
    "mistral, several": ('[TOOL_CALLS]get_weather{"city": "Paris"}[TOOL_CALLS]now{}', [weather(city="Paris"), NOW], ""),
    "mistral with an id": ('[TOOL_CALLS]get_weather[CALL_ID]abc123def[ARGS]{"city": "Paris"}', [weather(city="Paris")], ""),
    "mistral after text": ('Sure.[TOOL_CALLS]get_weather{"city": "Paris"}', [weather(city="Paris")], "Sure."),
    "deepseek v3": (
        (
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
            '{"city": "Paris"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n'
            "```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        [weather(city="Paris"), NOW],
        "",
    ),
    "deepseek v3.1": (
        (
            'Ok<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"}<｜tool▁ca'
            "ll▁end｜><｜tool▁calls▁end｜>"
        ),
        [weather(city="Paris")],
        "Ok",
    ),
    "granite": (
        '<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Paris"}}, {"name":"now","arguments":{}}]',
        [weather(city="Paris"), NOW],
        "",
    ),
    "phi-4-mini": (
        '<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Paris"}}]<|/tool_call|>',
        [weather(city="Paris")],
        "",
    ),
    "functools": ('functools[{"name": "get_weather", "arguments": {"city": "Paris"}}]', [weather(city="Paris")], ""),
    "command-r": (
        ('Action:```json\n[\n    {\n        "tool_name": "get_weather",\n        "parameters": {"city": "Paris"}\n    }\n]```'),
        [weather(city="Paris")],
        "",
    ),
    "command-r after text": (
        'Plan: look.\nAction: ```json\n[{"tool_name": "get_weather","parameters": {"city": "Paris"}}]\n```',
        [weather(city="Paris")],
        "Plan: look.\n",
    ),
    "command-r7b": (
        (
            "<|START_ACTION|>[\n"
            '    {"tool_call_id": "0", "tool_name": "get_weather", "parameters": {"city": "Paris"}}\n'
            "]<|END_ACTION|>"
        ),
        [weather(city="Paris")],
        "",
    ),
    "llama's built-in tools": ('<|python_tag|>get_weather.call(city="Paris")', [weather(city="Paris")], ""),
    "llama 4": ('[get_weather(city="Pa)ris", days=3), now()]', [weather(city="Pa)ris", days=3), NOW], ""),
    "lfm2": ('<|tool_call_start|>[get_weather(city="Paris")]<|tool_call_end|>Looking.', [weather(city="Paris")], "Looking."),
    "glm": (
        (
            "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n"
            "<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>"
        ),
        [weather(city="Paris", days=2)],
        "",
    ),
    "example": (
        'You call it so:\n```json\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n```\nIs that fine?',
        [],
        None,
    ),
    "example mark": (
        ('You call it so:\n```\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>\n```'),
        [],
        None,
    ),
    "example first": (
        '```json\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n```\nThat is how one calls it.',
        [],
        None,
    ),
    "inline": ('Write `<tool_call>{"name": "now", "arguments": {}}</tool_call>` there.', [], None),
    "fence two": (
        (
            '```json\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n```\n```json\n'
            '{"name": "now", "arguments": {}}\n```\n'
        ),
        [weather(city="Paris"), NOW],
        "",
    ),
    "fence tagged": ('```xml\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>\n```', [NOW], ""),
    "code fence": ("```python\nnow = 3\nprint(now)\n```\nDone", [], None),
    "two in one": (
        ('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n{"name": "now", "arguments": {}}\n</tool_call>'),
        [weather(city="Paris"), NOW],
        "",
    ),
    "list in mark": (
        '<tool_call>[{"name": "get_weather", "arguments": {"city": "Paris"}}]</tool_call> ok?',
        [weather(city="Paris")],
        "ok?",
    ),
    "broken then good": (
        ('<tool_call>{"name": "now", "arguments": {</tool_call>\n<tool_call>{"name": "now", "arguments": {}}</tool_call>'),
        [NOW],
        '<tool_call>{"name": "now", "arguments": {</tool_call>\n',
    ),
    "nested json text": ('{"plan": [\n  {"name": "now", "arguments": {}}\n]}', [], None),
    "think": (
        (
            '<think>I may write <tool_call>{"name": "now", "arguments": {}}</tool_call></think>\n'
            '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
        ),
        [weather(city="Paris")],
        '<think>I may write <tool_call>{"name": "now", "arguments": {}}</tool_call></think>\n',
    ),
    "raw newline": ('<tool_call>{"name": "get_weather", "arguments": {"city": "a\nb"}}</tool_call>', [weather(city="a\nb")], ""),
    "llama text after": (
        '{"name": "get_weather", "parameters": {"city": "Paris"}}\n\nI wait.',
        [weather(city="Paris")],
        "I wait.",
    ),
    "nan": ('<tool_call>{"name": "get_weather", "arguments": {"city": NaN}}</tool_call>', [], None),
    "function_call": ('<function_call>{"name": "now", "arguments": {}}</function_call>', [NOW], ""),
    "openai": ('{"tool_calls": [{"id": "1", "type": "function", "function": {"name": "now", "arguments": "{}"}}]}', [NOW], ""),
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize("case", SAID)
def test_calls_of_each_family_are_found_and_examples_are_text(case: str, size: int) -> None:
    said, calls, text = SAID[case]
    reader = CallReader(SCHEMAS)
    found = "".join(reader.add(said[at : at + size]) for at in range(0, len(said), size)) + reader.end()
    assert [(name, json.loads(arguments)) for name, arguments in reader.calls] == calls
    assert found == (said if text is None else text)


def test_no_more_calls_than_wanted_are_taken() -> None:
    reader = CallReader(SCHEMAS, most=1)
    said = '<tool_call>{"name": "now", "arguments": {}}</tool_call>' * 3
    assert reader.add(said) + reader.end() == "" and len(reader.calls) == 1


HOSTILE = {
    "marks": "<tool_call>" * 5000,
    "objects": '<tool_call>{"name": "now", "arguments": {"a": ' * 1000,
    "strings": '<tool_call>{"' * 4000,
    "fences": "```" * 10_000,
    "ticks": "`" * 30_000,
    "functions": "<function=now>" * 4000,
    "brackets": "[" * 30_000,
    "lists": "[now(" * 5000,
    "wrapped": '{"tool_calls": [' * 5000,
    "lines": '{"name":\n' * 3000,
}


@pytest.mark.parametrize("size", [64, 1 << 20])
@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_begun_over_and_over_is_text_in_the_end(case: str, size: int) -> None:
    said = HOSTILE[case]
    reader = CallReader(SCHEMAS)
    assert "".join(reader.add(said[at : at + size]) for at in range(0, len(said), size)) + reader.end() == said
    assert reader.calls == []


def test_text_after_code_is_not_held_back() -> None:
    reader = CallReader(SCHEMAS)
    assert reader.add("```python\nprint(1)\n") == "```python\nprint(1)\n"
    assert reader.add("```\nSo it ") == "```\nSo it "
