"""A tokenizer.json as it was published."""

from pathlib import Path

from tokenizers import Tokenizer

from wherry.errors import FormatError


def read_tokenizer(path: Path) -> Tokenizer:
    """Raises FormatError where the file is no tokenizer, or one that cannot be."""
    try:
        return Tokenizer.from_file(str(path))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library's panics, on merges that cannot be, are no Exceptions
        raise FormatError(f"{path}: found no readable tokenizer ({error}), expected a Hugging Face tokenizer.json") from error
