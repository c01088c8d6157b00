"""jinja2 programs that nobody vouches for: its sandbox keeps them from the host's objects, this from its time and memory.

Whatever a program makes, by a literal, an operator, a filter, a call or a block, passes `BoundedEnvironment.made`, which knows
how large it is when it is written out: a list of two lists of two lists … is small until then.
"""

import functools
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SECONDS = 5.0  # of the processor; real templates take milliseconds
_MADE = 64 << 20  # characters and items that a program may make, in all, and the most that one thing may be written out
_MAX_BITS = 128  # of whole numbers
_MAX_WIDTH = 64  # of an indentation
# What makes much of little by a number alone, and no chat template needs.
_REFUSED_FILTERS = (
    "batch", "center", "filesizeformat", "format", "pprint", "random", "round", "slice", "striptags", "truncate", "urlize",
    "wordwrap", "xmlattr",
)  # fmt: skip
_NONE = "none of the filters"  # a block without one
_REFUSED_GLOBALS = ("cycler", "joiner", "lipsum")
_METHODS = {
    "capitalize", "count", "endswith", "find", "format", "index", "isalnum", "isalpha", "isdecimal", "isdigit", "islower",
    "isnumeric", "isspace", "istitle", "isupper", "join", "lower", "lstrip", "partition", "removeprefix", "removesuffix",
    "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase",
    "title", "upper",
}  # fmt: skip
_WIDE = re.compile(r"\d{4}|\*|\{[^}]*\{")  # a width that is long, or that comes from elsewhere


class _Generator(CodeGenerator):
    """Literals and blocks, which Python's own code would make, are shown to the environment."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.written((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:
        self._made(node, super().visit_List, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        self._made(node, super().visit_Dict, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:
        if node.ctx == "load":
            self._made(node, super().visit_Tuple, frame)
        else:
            super().visit_Tuple(node, frame)

    def visit_AssignBlock(self, node: nodes.AssignBlock, frame: Frame) -> None:
        if node.filter is None:
            node.filter = nodes.Filter(None, _NONE, [], [], None, None, lineno=node.lineno)
        super().visit_AssignBlock(node, frame)

    def visit_Filter(self, node: nodes.Filter, frame: Frame) -> None:
        if node.name == _NONE:
            self.write(f"environment.made(concat({frame.buffer}))")
        else:
            super().visit_Filter(node, frame)

    def _made(self, node: nodes.Expr, visit: Callable[[Any, Frame], None], frame: Frame) -> None:
        self.write("environment.made(")
        visit(node, frame)
        self.write(")")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """For one rendering, within `bounded`. What goes beyond a bound raises jinja2's SecurityError."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, filters: Mapping[str, Callable[..., Any]], **named: Any) -> None:
        """filters: more of them, and others in the place of jinja2's."""
        super().__init__(optimized=False, **named)  # nothing is made while it is compiled
        self.filters |= filters
        self._total = 0
        self._sizes: dict[int, tuple[Any, int]] = {}  # of containers, by identity; they are held, so that it stays theirs
        for name in _REFUSED_FILTERS:
            self.filters.pop(name, None)
        for name in _REFUSED_GLOBALS:
            self.globals.pop(name, None)
        for name, function in self.filters.items():
            self.filters[name] = self._filter(name, function)

    def made(self, value: Any) -> Any:
        """What a program has made, counted."""
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise SecurityError("a number that is too large")
        if isinstance(value, str | list | tuple | dict):
            self._count(len(value))
            self._count(self._size(value), add=False)
        return value

    def written(self, parts: tuple[Any, ...]) -> str:
        """`a ~ b`"""
        self._count(self._size(parts), add=False)
        return str(self.made("".join(map(str, parts))))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and not (
            isinstance(left, int | float) and isinstance(right, int | float) and abs(right) <= _MAX_BITS
        ):
            raise SecurityError("a power that is too large")
        if operator == "%" and isinstance(left, str):
            self._format(left, "%", right)
        if operator == "*":
            for many, times in ((left, right), (right, left)):
                if isinstance(times, int) and isinstance(many, str | list | tuple):
                    self._count(self._size(many) * max(times, 0), add=False)
        return self.made(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __object: Any, *arguments: Any, **named: Any) -> Any:
        owner, name = getattr(__object, "__self__", None), getattr(__object, "__name__", "")
        if isinstance(owner, str) and name == "replace" and len(arguments) > 1:
            __self._replace(owner, *arguments[:2])
        elif isinstance(owner, str) and name == "join" and arguments:
            __self._join(arguments[0], owner)
        return __self.made(super().call(__context, __object, *arguments, **named))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return super().is_safe_attribute(obj, attr, value) and not (isinstance(obj, str) and attr not in _METHODS)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        text, method = value.__self__, wrapped

        def call(*arguments: Any, **named: Any) -> str:
            self._format(text, "{", (arguments, named))
            return method(*arguments, **named)

        return call

    def _filter(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        passed = 1 if hasattr(function, "jinja_pass_arg") else 0  # jinja2's own arguments, before the value

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            value, *rest = arguments[passed:]
            if name == "join":
                self._join(value, named.get("d", rest[0] if rest else ""))
            elif name == "replace" and len(rest) > 1:
                self._replace(str(value), *rest[:2])
            elif name in ("indent", "tojson"):
                for width in (*rest, *named.values()):
                    size = width if isinstance(width, int) else self._size(width)
                    if size > _MAX_WIDTH:
                        raise SecurityError(f"an indentation of {size}")
            return self.made(function(*arguments, **named))

        return call

    def _join(self, parts: Any, between: Any) -> None:
        if isinstance(parts, str | list | tuple | dict):
            self._count(self._size(parts) + len(parts) * len(str(between)), add=False)
        elif len(str(between)) > _MAX_WIDTH:
            raise SecurityError("a join of who knows how many")

    def _replace(self, text: str, old: Any, new: Any) -> None:
        self._count(len(text) + len(str(new)) * (len(text) // max(len(str(old)), 1) + 1), add=False)

    def _format(self, text: str, mark: str, values: Any) -> None:
        if _WIDE.search(text):
            raise SecurityError("a width in a format that is too large")
        self._count(len(text) + text.count(mark) * self._size(values), add=False)

    def _size(self, value: Any) -> int:
        """The characters of a value when it is written out, or not much fewer."""
        if isinstance(value, str):
            return len(value)
        if not isinstance(value, list | tuple | dict):
            return 8
        if (known := self._sizes.get(id(value))) is not None:
            return known[1]
        parts = [*value.keys(), *value.values()] if isinstance(value, Mapping) else value
        size = 2 + sum(2 + self._size(part) for part in parts)
        self._sizes[id(value)] = value, size
        return size

    def _count(self, made: int, *, add: bool = True) -> None:
        if add:
            self._total += made
        if max(made, self._total) > _MADE:
            raise SecurityError(f"more than {_MADE} characters")


@contextmanager
def bounded(seconds: float = MAX_SECONDS) -> Iterator[None]:
    """This thread's templates end after some seconds of the processor, wherever they are. Raises SecurityError there."""
    until = time.thread_time() + seconds

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        if time.thread_time() > until:
            raise SecurityError(f"a program that does not end in {seconds:g} s")
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        return line(frame, event, argument) if frame.f_code.co_filename == "<template>" else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(before)
