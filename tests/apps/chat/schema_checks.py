"""What schemathesis asks besides its own checks: a request that the document allows is refused only for what no schema tells:
which models and tokens there are, how much a model reads, which calls were made before, which schemas a grammar can be made of.
"""

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, HookContext, Response

_UNTOLD = {"model", "logit_bias", "messages", "tools", "tool_choice", "response_format", "prompt", "input", "text",
           "best_of", "echo", "max_tokens", "top_logprobs", "dimensions", "continue_final_message", "chat_template_kwargs",
           "structured_outputs", "json_schema", "grammar", "guided_json", "guided_regex", "guided_choice",
           "guided_grammar"}  # fmt: skip
_MOST = {"/v1/chat/completions": "max_tokens", "/v1/completions": "max_tokens", "/v1/responses": "max_output_tokens"}


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Answers that nobody reads are short."""
    if _wanted(case) and case.path in _MOST and isinstance(case.body, dict):
        case.body = {name: value for name, value in case.body.items() if name not in ("max_completion_tokens", "n_predict")}
        case.body |= {_MOST[case.path]: 1} | ({"n": 1} if case.body.get("n") else {})


@schemathesis.check
def refused_for_what_no_schema_tells(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    if not _wanted(case) or case.method != "POST" or response.status_code in (200, 404):
        return
    param = response.json()["error"]["param"] or ""
    assert param.partition(".")[0].partition("[")[0] in _UNTOLD, response.json()


def _wanted(case: Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
