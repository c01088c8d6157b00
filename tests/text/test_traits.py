"""What chat templates take, in the ways of families: our words go where a template has room for them."""

from typing import Any

import pytest

from tests.references.llm_tools import TEMPLATES
from wherry.errors import FormatError
from wherry.text.templates import render_chat
from wherry.text.tools import told_of_tools
from wherry.text.traits import template_traits
from wherry.text.workers import WorkerEndedError

NAMES = {"bos_token": "<s>", "eos_token": "</s>"}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": True,
    },
}
TURNS = """{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}
{% endif %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"""
WAYS = {
    "gemma 2": "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TURNS,
    "gemma 3": """{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\\n\\n' %}
{% set messages = messages[1:] %}{% else %}{% set first = '' %}{% endif %}"""
    + TURNS.replace("{{ m.content", "{{ (first if loop.first else '') + m.content"),
    "command-r": "{% if messages[0].role == 'system' %}<sys>{{ messages[0].content }}{% set messages = messages[1:] %}{% endif %}"
    + TURNS,
    "drops system": "{% for m in messages %}{% if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}",
    "parts": "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}",
    "deepseek": """{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}
{% if m.role == 'assistant' and m.content is none %}{% for c in m.tool_calls %}<call>{{ c.function.name }}
{{ '```json\\n' + c.function.arguments + '\\n```' }}{% endfor %}{% else %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}""",
    "qwen3": """{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}
{% for c in m.tool_calls or [] %}<call>{{ c.function.name }} {% if c.function.arguments is string %}{{ c.function.arguments }}
{% else %}{{ c.function.arguments | tojson }}{% endif %}{% endfor %}{% endfor %}""",
    "qwen3-coder": """{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}
{% for c in m.tool_calls or [] %}<call>{{ c.function.name }}{% for k, v in c.function.arguments | items %}<{{ k }}>{{ v }}
{% endfor %}{% endfor %}{% endfor %}""",
    "bare print": """{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}
{% for c in m.tool_calls or [] %}<call>{{ c.function.name }} {{ c.function.arguments }}{% endfor %}{% endfor %}""",
    "mistral turns": """{% if tools %}[TOOLS]{{ tools | tojson }}{% endif %}{% set ns = namespace(i=0) %}{% for m in messages %}
{% if m.role == 'user' or (m.role == 'assistant' and not m.tool_calls) %}{% if (m.role == 'user') != (ns.i % 2 == 0) %}
{{ raise_exception('take turns') }}{% endif %}{% set ns.i = ns.i + 1 %}{% endif %}{% if m.tool_calls %}[TOOL_CALLS]
{{ m.tool_calls | tojson }}{% else %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}""",
    "knows no results": """{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}
{% if m.role in ('user', 'assistant', 'system') %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}""",
    **TEMPLATES,
}


def call(identity: str, arguments: Any) -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


CALLED = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": "", "tool_calls": [call("c1", {"city": "Paris"}), call("c2", {"city": "Rome"})]},
    {"role": "tool", "tool_call_id": "c1", "content": "twenty-one"},
    {"role": "tool", "tool_call_id": "c2", "content": "thirty"},
    {"role": "user", "content": "And tomorrow?"},
]
CUT_OFF = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": "", "tool_calls": [call("c1", '{"city": "Par')]},
    {"role": "tool", "tool_call_id": "c1", "content": "no JSON"},
]


def rendered(way: str, messages: list[Any]) -> str:
    given, tools = told_of_tools(WAYS[way], messages, [TOOL])
    return render_chat(WAYS[way], given, names=NAMES, tools=tools or None)


@pytest.mark.parametrize("way", WAYS)
def test_calls_in_parallel_their_results_and_what_follows_reach_every_template(way: str) -> None:
    text = rendered(way, CALLED)
    for words in ("get_weather", "Paris", "Rome", "twenty-one", "thirty", "And tomorrow?", "Be brief."):
        if not (way == "mistral" and words == "Be brief."):
            assert words in text, text
    assert '"strict"' not in text and "'city'" not in text
    assert text.index("Paris") < text.index("twenty-one") < text.index("And tomorrow?")


@pytest.mark.parametrize("way", WAYS)
def test_arguments_that_were_cut_off_reach_every_template(way: str) -> None:
    text = rendered(way, CUT_OFF)
    assert "no JSON" in text and "Par" in text


def test_traits_are_those_of_the_template() -> None:
    found = {way: template_traits(template) for way, template in WAYS.items()}
    assert [way for way in WAYS if not found[way].system] == ["gemma 2", "drops system"]
    assert [way for way in WAYS if found[way].turns] == ["gemma 2", "gemma 3", "command-r", "mistral turns"]
    assert [way for way in WAYS if found[way].parts] == ["parts"]
    assert [way for way in WAYS if found[way].arguments == "text"] == ["deepseek", "bare print"]
    assert [way for way in WAYS if found[way].call_content is None] == ["deepseek"]
    assert [way for way in WAYS if not found[way].parallel] == ["llama"]
    assert [way for way in WAYS if found[way].answer_after_result] == ["mistral turns"]
    assert [way for way in WAYS if found[way].tools and not found[way].results] == ["knows no results"]
    assert template_traits("{{ broken").turns is False


def test_what_a_worker_that_was_ended_left_open_is_not_taken_for_a_trait() -> None:
    def ended(*arguments: Any, **named: Any) -> str:
        raise FormatError("chat template: found a program that does not end") from WorkerEndedError("killed")

    with pytest.raises(FormatError, match="does not end"):
        template_traits(WAYS["qwen3"], ended)
    assert template_traits(WAYS["qwen3"]).tools


def test_later_system_messages_stand_before_the_users_words_where_the_template_has_only_one() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "system", "content": "It is late."},
        {"role": "user", "content": "Bye"},
    ]
    given, _ = told_of_tools(WAYS["command-r"], messages, [])
    text = render_chat(WAYS["command-r"], given, names=NAMES)
    assert text == "<sys>Be brief.\n\nBe kind.<user>Hi<assistant>Hello<user>It is late.\n\nBye<assistant>"
    assert template_traits(WAYS["qwen3"]).later_system and not template_traits(WAYS["command-r"]).later_system


def test_words_of_a_system_message_stand_before_the_users_where_there_is_no_such_role() -> None:
    text = rendered("gemma 2", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    assert text.startswith("<user>Be brief.\n\nYou may call functions") and text.endswith("Hi<assistant>")
