"""What schemathesis asks besides its own checks: a request that the document allows is refused for its recording alone.

Its recordings are random bytes, which no schema tells from sound, and which languages a model knows depends on the model.
"""

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response

_OF_THE_RECORDING = {"invalid_audio", "empty_file"}
_OF_THE_MODEL = {"language", "model"}


@schemathesis.check
def refused_for_its_recording_alone(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    wanted = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if not wanted or case.method != "POST" or response.status_code in (200, 404):
        return
    error = response.json()["error"]
    assert error["code"] in _OF_THE_RECORDING or error["param"] in _OF_THE_MODEL, error
