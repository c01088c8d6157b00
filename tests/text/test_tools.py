"""Tools in chat templates as Hugging Face's library writes them, and calls found in answers in the ways of several families."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.references.llm_tools import CALLED, CONVERSATIONS, NAMES, TEMPLATES, TOOLS
from wherry.errors import InputError
from wherry.text.templates import knows_tools, render_chat
from wherry.text.tools import CallReader, call_schema, told_of_tools, tool_style

# Made by tests/references/llm_tools.py.
_FIXTURE = json.loads((ROOT / "tests/fixtures/llm_tools.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", _FIXTURE)
def test_prompts_with_tools_are_those_of_transformers(case: str) -> None:
    family, name, *tools = case.split()
    messages, given = told_of_tools(TEMPLATES[family], CONVERSATIONS[name], TOOLS if tools else [])
    assert render_chat(TEMPLATES[family], messages, names=NAMES, tools=given or None) == _FIXTURE[case]


def test_a_template_without_tools_is_told_in_words() -> None:
    template = TEMPLATES["none"]
    assert [knows_tools(each) for each in TEMPLATES.values()] == [True, True, True, False]
    assert not knows_tools("{{ 'tools' }} tools {{ broken")
    conversation = [{"role": "system", "content": "Be brief."}, *CONVERSATIONS["told"]]
    messages, given = told_of_tools(template, conversation, TOOLS)
    text = render_chat(template, messages, names=NAMES, tools=given or None)
    assert text.startswith("<system>Be brief.\n\n") and text.count("<system>") == 1
    for tool in TOOLS:
        assert json.dumps(tool["function"], ensure_ascii=False) in text
    call = json.dumps(CALLED["function"], ensure_ascii=False)
    assert f"<assistant><tool_call>\n{call}\n</tool_call></s>" in text
    assert '<user><tool_response>\n{"degrees": 21}\n</tool_response></s>' in text
    assert told_of_tools(template, CONVERSATIONS["asked"], [])[0] == CONVERSATIONS["asked"]


def test_ids_of_any_length_suit_mistral() -> None:
    long = [dict(message) for message in CONVERSATIONS["told"]]
    long[1]["tool_calls"], long[2]["tool_call_id"] = [{**CALLED, "id": "call_" + "x" * 30}], "call_" + "x" * 30
    messages, _ = told_of_tools(TEMPLATES["mistral"], long, TOOLS)
    assert len(messages[1]["tool_calls"][0]["id"]) == 9 and messages[2]["tool_call_id"] == messages[1]["tool_calls"][0]["id"]
    assert render_chat(TEMPLATES["mistral"], messages, names=NAMES, tools=TOOLS)
    assert long[1]["tool_calls"][0]["id"] == "call_" + "x" * 30


WEATHER, NOW = ("weather", '{"place": "Zürich"}'), ("now", "{}")
ANSWERS: dict[str, tuple[str, list[tuple[str, str]], str]] = {
    "hermes": ('<tool_call>\n{"name": "weather", "arguments": {"place": "Zürich"}}\n</tool_call>', [WEATHER], ""),
    "hermes twice": (
        'Let me see.\n<tool_call>{"name": "weather", "arguments": {"place": "Zürich"}}</tool_call>\n'
        '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>\n',
        [WEATHER, NOW],
        "Let me see.\n",
    ),
    "cut off": ('<tool_call>\n{"name": "weather", "arguments": {"place": "Zürich"}}', [WEATHER], ""),
    "llama": ('{"name": "weather", "parameters": {"place": "Zürich"}}', [WEATHER], ""),
    "llama twice": (
        ' {"name": "weather", "parameters": {"place": "Zürich"}}; {"name": "now", "parameters": {}}', [WEATHER, NOW], ""
    ),
    "python": ('<|python_tag|>{"type": "function", "name": "now", "parameters": {}}', [NOW], ""),
    "wrapped": ('{"type": "function", "function": {"name": "now", "arguments": "{}"}}', [NOW], ""),
    "mistral": (
        '[TOOL_CALLS] [{"name": "weather", "arguments": {"place": "Zürich"}}, {"name": "now", "arguments": {}}]',
        [WEATHER, NOW],
        "",
    ),
    "mistral named": ('[TOOL_CALLS]weather[ARGS]{"place": "Zürich"}', [WEATHER], ""),
    "text": ("It is 21 degrees <b>now</b>.", [], "It is 21 degrees <b>now</b>."),
    "json": ('{"degrees": 21}', [], '{"degrees": 21}'),
    "list": ("[1] see below", [], "[1] see below"),
    "no name": ('{"name": {"a": 1}, "arguments": {}}', [], '{"name": {"a": 1}, "arguments": {}}'),
    "text after": (
        '<tool_call>{"name": "now", "arguments": {}}</tool_call>\n\nIt is now.', [NOW], "It is now."
    ),
    "unknown": ('{"name": "launch", "arguments": {}}', [], '{"name": "launch", "arguments": {}}'),
    "broken": ("<tool_call>{nothing}</tool_call> sorry", [], "<tool_call>{nothing}</tool_call> sorry"),
    "no object": ('{"name": "now", "arguments": [1]}', [], '{"name": "now", "arguments": [1]}'),
    "blank": (" \n", [], " \n"),
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("way", ANSWERS)
def test_calls_are_found_however_the_pieces_fall(way: str, size: int) -> None:
    said, calls, text = ANSWERS[way]
    reader = CallReader(["weather", "now"])
    found = "".join(reader.add(said[i : i + size]) for i in range(0, len(said), size)) + reader.end()
    assert (reader.calls, found) == (calls, text)


def test_many_calls_at_once() -> None:
    reader = CallReader(["now"])
    assert reader.add('<tool_call>{"name": "now", "arguments": {}}</tool_call>' * 5000) == "" and len(reader.calls) == 5000


def test_text_is_not_held_back() -> None:
    reader = CallReader(["now"])
    assert [reader.add(piece) for piece in ("It ", "is < 3", " o'clock")] == ["It ", "is < 3", " o'clock"]
    assert CallReader(["now"]).add('{"hours": 3') == '{"hours": 3'


@pytest.mark.parametrize("family", TEMPLATES)
def test_a_required_call_is_of_the_familys_form(family: str) -> None:
    style = tool_style(TEMPLATES[family])
    schema: Any = call_schema(style, TOOLS, "weather", parallel=False)
    call = schema["items"] if style.listed else schema
    key = "parameters" if family == "llama" else "arguments"
    assert call["required"] == ["name", key] and call["properties"]["name"] == {"const": "weather"}
    assert style.begin == {"hermes": "<tool_call>\n", "none": "<tool_call>\n", "llama": "", "mistral": "[TOOL_CALLS]"}[family]
    assert len(call_schema(style, TOOLS, None, parallel=True)["$defs"]) == 2
    with pytest.raises(InputError, match='tool_choice: found "other", expected one of weather, now'):
        call_schema(style, TOOLS, "other", parallel=True)
    with pytest.raises(InputError, match="no tools"):
        call_schema(style, [], None, parallel=True)


@pytest.mark.parametrize("parameters", [{}, {"type": "object"}, {"type": "object", "properties": {}, "required": []}])
def test_a_tool_that_names_no_arguments_is_called_with_none(parameters: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    found: Any = call_schema(tool_style(TEMPLATES["hermes"]), tools, None, parallel=True)["$defs"]["arguments_of_f"]
    assert found["type"] == "object" and found["additionalProperties"] is False
    free = [{"type": "function", "function": {"name": "f", "parameters": {"additionalProperties": True}}}]
    assert call_schema(tool_style(""), free, None, parallel=True)["$defs"]["arguments_of_f"]["additionalProperties"] is True


def test_references_of_a_schema_mean_what_they_meant() -> None:
    parameters = {"properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#"}}, "$defs": {"x": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    found: Any = call_schema(tool_style(TEMPLATES["hermes"]), tools, None, parallel=True)["$defs"]["arguments_of_f"]
    assert found["properties"] == {"a": {"$ref": "#/$defs/arguments_of_f/$defs/x"}, "b": {"$ref": "#/$defs/arguments_of_f"}}


_PARTS = [
    "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", "now", '{"name": "now", "arguments": {}}',
    '{"name":', "{", "}", "[", "]", '"', " ", "\n", "a", "<", "<tool", ";", "\\", "[[" * 500,
    "```", "`", "```json\n", "<think>", "</think>", "<function=now>", "</function>", "<parameter=a>", "[now()]",
    "now(a=1)", "Action:",
    "<|tool_call|>", "<｜tool▁sep｜>", "</tool_call>\n", '{"tool_calls": [',
]  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.sampled_from(_PARTS), max_size=14), st.lists(st.integers(1, 40), min_size=1, max_size=8), st.booleans())
def test_what_is_found_does_not_depend_on_the_pieces(parts: list[str], sizes: list[int], expected: bool) -> None:
    """And where there is no call, every character of the answer is text."""
    said = "".join(parts)
    whole, pieces = CallReader(["now"], expected=expected), CallReader(["now"], expected=expected)
    text = whole.add(said) + whole.end()
    found, at, turn = "", 0, 0
    while at < len(said):
        found += pieces.add(said[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    found += pieces.end()
    assert pieces.calls == whole.calls
    assert found.split() == text.split()
    if not whole.calls:
        assert found == text == said
