"""What the host refused, for whoever sent the request: by the name that the field has in the request."""

import re

from wherry.errors import InputError, PromptTooLongError, TooLargeError, WherryError
from wherry.guest import openai
from wherry.guest.openai import ApiError

# The host begins what it says of a field with the field's name.
_FIELD = re.compile(r"([a-z_]+)((?:[.\[][\w.\[\]]*)?): ")


def of_host(error: WherryError, names: dict[str, str] | None = None) -> ApiError:
    """names: the host's word for a field -> the request's."""
    found = _FIELD.match(error.message)
    if isinstance(error, PromptTooLongError) or (isinstance(error, TooLargeError) and found is not None and found[1] == "texts"):
        return _too_long(error, found, names or {})
    if not isinstance(error, InputError) or found is None:
        return openai.of_host(error)
    param = (names or {}).get(found[1], found[1]) + found[2]
    return ApiError(400, f"{param}: {error.message[found.end() :]}", param=param, code="invalid_value")


def _too_long(error: WherryError, found: re.Match[str] | None, names: dict[str, str]) -> ApiError:
    """Clients look for these words to know that they should send less."""
    param, said = names.get("messages", "messages"), error.message
    if found is not None:
        param, said = names.get(found[1], found[1]) + found[2], error.message[found.end() :]
    words = "" if "maximum context length" in said else "This model's maximum context length is exceeded. "
    return ApiError(400, f"{words}{param}: {said}", param=param, code="context_length_exceeded")
