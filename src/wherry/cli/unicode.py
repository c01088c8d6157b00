"""Words of a command line that are to be text."""

from wherry.errors import InputError


def check_text(what: str, word: str | None) -> None:
    """Raises InputError for bytes that are no UTF-8, which Python keeps as lone surrogates."""
    try:
        (word or "").encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what}: found {word!a:.80}, expected UTF-8") from error
