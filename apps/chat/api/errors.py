"""What the host refused, for whoever sent the request: by the name that the field has in the request."""

import re

from wherry.errors import InputError, PromptTooLongError, WherryError
from wherry.guest import openai
from wherry.guest.openai import ApiError

# The host begins what it says of a field with the field's name.
_FIELD = re.compile(r"([a-z_]+)((?:[.\[][\w.\[\]]*)?): ")


def of_host(error: WherryError, names: dict[str, str] | None = None) -> ApiError:
    """names: the host's word for a field -> the request's."""
    if isinstance(error, PromptTooLongError):
        return ApiError(400, error.message, param=(names or {}).get("messages", "messages"), code="context_length_exceeded")
    found = _FIELD.match(error.message)
    if not isinstance(error, InputError) or found is None:
        return openai.of_host(error)
    param = (names or {}).get(found[1], found[1]) + found[2]
    return ApiError(400, f"{param}: {error.message[found.end() :]}", param=param, code="invalid_value")
