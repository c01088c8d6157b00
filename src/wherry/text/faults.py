"""Faults of libraries written in Rust. Their panics are no Exceptions: they would pass every handler up to the thread's end."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from wherry.errors import FormatError, WherryError

P = ParamSpec("P")
T = TypeVar("T")
Reader = Callable[Concatenate[Path, P], T]


@contextmanager
def library_faults(place: object, failure: str, error_class: type[WherryError] = FormatError) -> Iterator[None]:
    """Whatever the library raises here is an error of ours: "PLACE: found FAILURE (the library's words)"."""
    try:
        yield
    except WherryError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise  # Ctrl-C and the like
        raise error_class(f"{place}: found {failure} ({str(error)[:300]})") from error


def names_file(failure: str, name: str = "") -> Callable[[Reader[P, T]], Reader[P, T]]:
    """For a function whose first argument is the file that it reads, or the folder of the file `name`: within `library_faults`
    of that file."""

    def decorate(function: Reader[P, T]) -> Reader[P, T]:
        @functools.wraps(function)
        def call(path: Path, /, *arguments: P.args, **named: P.kwargs) -> T:
            with library_faults(path / name, failure):
                return function(path, *arguments, **named)

        return call

    return decorate
