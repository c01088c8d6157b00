"""Dockerfiles for images without a userland: FROM scratch, COPY, ENV, LABEL, EXPOSE, WORKDIR, ENTRYPOINT, CMD, ARG.

They mean what docker's reference says they mean. There is nothing in such an image that RUN could run, so every other
instruction, every flag and every second stage is refused, by its line.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import normpath

from wherry.errors import InputError, WherryError
from wherry.oci.context import Context, missing_folders
from wherry.oci.layer import Entry
from wherry.oci.recipe import Recipe, Step
from wherry.oci.words import expand, parse_list, split_blanks, split_words

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_CONTINUED = re.compile(r"\\[ \t]*$")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?")
_SHELL_FORM = 'expected the JSON form, such as ["/app.wasm"]'
_KNOWN = "FROM scratch, COPY, ENV, LABEL, EXPOSE, WORKDIR, ENTRYPOINT, CMD, ARG"
_PLATFORM_ARGUMENT = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)")
_PREDEFINED = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}


@dataclass(frozen=True)
class Instruction:
    """`line` counts from 1, `words` is what follows the name, its continuation lines joined."""

    line: int
    name: str
    words: str

    def __str__(self) -> str:
        return f"{self.name} {self.words}".rstrip()


def parse_dockerfile(text: str, place: str) -> list[Instruction]:
    """The instructions, in order. Raises InputError for a heredoc, an `escape` directive, or no instruction at all."""
    found: list[Instruction] = []
    waiting, begin = "", 0
    directives = True
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.strip()
        if directives and (directive := _DIRECTIVE.fullmatch(line)) is not None:
            if directive[1].lower() == "escape" and directive[2] != "\\":
                raise InputError(f'{place}:{number}: escape: found "{directive[2]}", expected \\')
            continue
        directives = False
        if line.startswith("#") or not line:
            continue  # also between continued lines
        begin = begin or number
        if _CONTINUED.search(raw):
            waiting += _CONTINUED.sub("", raw)
            continue
        found.append(_instruction(begin, waiting + raw, place))
        waiting, begin = "", 0
    if waiting.strip():
        found.append(_instruction(begin, waiting, place))
    if not found:
        raise InputError(f"{place}: found no instruction, expected FROM scratch and what follows")
    return found


def read_dockerfile(text: str, place: str, context: Context, arguments: Mapping[str, str]) -> Recipe:
    """Evaluate a Dockerfile. `arguments` are --build-arg's. Raises InputError or NotFoundError with the line."""
    build = _Build(context, arguments)
    for instruction in parse_dockerfile(text, place):
        try:
            build.apply(instruction)
        except WherryError as error:
            kind = type(error)
            raise kind(f"{place}:{instruction.line}: {instruction.name}: {error.message}", hint=error.hint) from error
    if not build.based:
        raise InputError(f"{place}: found no FROM, expected FROM scratch")
    unused = [name for name in arguments if name not in build.declared and name.upper() not in _PREDEFINED]
    if unused:
        raise InputError(f'--build-arg: found "{unused[0]}", which no ARG of {place} declares')
    return build.recipe(place)


class _Build:
    """The image so far."""

    def __init__(self, context: Context, arguments: Mapping[str, str]) -> None:
        self._context = context
        self._arguments = arguments
        self._steps: list[Step] = []
        self._folders = frozenset[PurePosixPath]()
        self._globals: dict[str, str] = {}  # ARG before FROM
        self._args: dict[str, str] = {}
        self._env: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        self._ports: list[str] = []
        self._working_dir = "/"
        self._entrypoint: tuple[str, ...] = ()
        self._cmd: tuple[str, ...] = ()
        self.based = False
        self.declared: set[str] = set()

    def recipe(self, place: str) -> Recipe:
        return Recipe(
            place,
            tuple(self._steps),
            self._entrypoint,
            self._cmd,
            self._env,
            self._labels,
            self._working_dir,
            tuple(sorted(set(self._ports))),
        )

    def apply(self, instruction: Instruction) -> None:
        known: dict[str, Callable[[str], tuple[Entry, ...]]] = {
            "FROM": self._from,
            "COPY": self._copy,
            "ENV": self._set_env,
            "LABEL": self._label,
            "EXPOSE": self._expose,
            "WORKDIR": self._workdir,
            "ENTRYPOINT": self._set_entrypoint,
            "CMD": self._set_cmd,
            "ARG": self._arg,
        }
        words = instruction.words
        if instruction.name not in known:
            raise InputError(f"found an instruction that an image without a userland cannot have, expected one of {_KNOWN}")
        if words.startswith("--"):
            raise InputError(f"found the flag {words.split()[0]}, expected none")
        if not words:
            raise InputError("found nothing after it")
        if not self.based and instruction.name not in ("FROM", "ARG"):
            raise InputError("found it before FROM, expected FROM scratch first")
        entries = known[instruction.name](words)
        self._folders |= {entry.path for entry in entries if entry.source is None and entry.target is None}
        if instruction.name not in ("FROM", "ARG"):
            self._steps.append(Step(str(instruction), entries))

    # -- one method an instruction: what it adds to the image

    def _from(self, words: str) -> tuple[Entry, ...]:
        if self.based:
            raise InputError("found a second stage, expected one")
        base, *rest = split_blanks(words)
        if expand(base, self._globals) != "scratch" or (rest and (len(rest) != 2 or rest[0].upper() != "AS")):
            raise InputError(
                f'found "{words}", expected scratch', hint="copy what you need of another image into the build's folder"
            )
        self.based = True
        return ()

    def _arg(self, words: str) -> tuple[Entry, ...]:
        for word in split_words(words):
            name, sign, value = word.partition("=")
            name = expand(name, self._variables)
            if not _NAME.fullmatch(name):
                raise InputError(f'found "{word}", expected NAME or NAME=VALUE')
            if _PLATFORM_ARGUMENT.fullmatch(name) and not sign and name not in self._arguments:
                raise InputError(f"found {name}: the image is the same for every platform", hint="give it a value of its own")
            known = self._args if self.based else self._globals
            self.declared.add(name)
            if name in self._arguments:
                known[name] = self._arguments[name]
            elif sign:
                known[name] = expand(value, self._variables)
            elif self.based and name in self._globals:
                known[name] = self._globals[name]
        return ()

    def _set_env(self, words: str) -> tuple[Entry, ...]:
        self._env |= self._pairs(words)
        return ()

    def _label(self, words: str) -> tuple[Entry, ...]:
        self._labels |= self._pairs(words)
        return ()

    def _expose(self, words: str) -> tuple[Entry, ...]:
        for word in split_blanks(words):
            text = expand(word, self._variables)
            found = _PORT.fullmatch(text)
            first = int(found[1]) if found else 0
            last = int(found[2] or first) if found else 0
            if found is None or not 0 < first <= last <= 65535:
                raise InputError(f'found "{text}", expected a port such as 8080, 8080/tcp or 8000-8010')
            self._ports += [f"{port}/{found[3] or 'tcp'}" for port in range(first, last + 1)]
        return ()

    def _workdir(self, words: str) -> tuple[Entry, ...]:
        self._working_dir = self._absolute(expand(words, self._variables))
        return missing_folders(PurePosixPath(self._working_dir), self._folders)

    def _copy(self, words: str) -> tuple[Entry, ...]:
        given = parse_list(words)
        if "<<" in words and given is None:
            raise InputError("found a heredoc, expected files of the build's folder")
        *sources, target = [expand(word, self._variables) for word in given or split_blanks(words)]
        if not sources or not target or not all(sources):
            raise InputError(f'found "{words}", expected SOURCE... TARGET')
        folder = target.endswith("/") or target == "."
        target = self._absolute(target)
        return tuple(self._context.copy(sources, target + "/" if folder and target != "/" else target, self._folders))

    def _set_entrypoint(self, words: str) -> tuple[Entry, ...]:
        self._entrypoint = _json_form(words)
        return ()

    def _set_cmd(self, words: str) -> tuple[Entry, ...]:
        self._cmd = _json_form(words)
        return ()

    # -- inside

    @property
    def _variables(self) -> dict[str, str]:
        return self._args | self._env if self.based else self._globals

    def _absolute(self, path: str) -> str:
        found = normpath("/" + path if path.startswith("/") else f"{self._working_dir}/{path}")
        return "/" + found.lstrip("/")

    def _pairs(self, words: str) -> dict[str, str]:
        """`NAME=VALUE...`, or the old form `NAME the rest of the line`."""
        found = split_words(words)
        if "=" not in found[0]:
            name, rest = found[0], words[len(found[0]) :].strip()
            if not rest:
                raise InputError(f'found "{words}", expected NAME=VALUE')
            pairs = [(name, rest)]
        else:
            if wrong := [word for word in found if "=" not in word]:
                raise InputError(f'found "{wrong[0]}", expected NAME=VALUE')
            pairs = [(name, value) for name, _, value in (word.partition("=") for word in found)]
        variables = self._variables
        expanded = {expand(name, variables): expand(value, variables) for name, value in pairs}
        if "" in expanded or any("=" in name or "\0" in name + value for name, value in expanded.items()):
            raise InputError(f'found "{words}", expected names that are not empty')
        return expanded


def _instruction(line: int, text: str, place: str) -> Instruction:
    name, *rest = text.split(maxsplit=1)
    if not re.fullmatch(r"[A-Za-z]+", name):
        raise InputError(f'{place}:{line}: found "{name[:40]}", expected one of {_KNOWN}')
    return Instruction(line, name.upper(), rest[0].strip() if rest else "")


def _json_form(words: str) -> tuple[str, ...]:
    found = parse_list(words)
    if found is None:
        raise InputError(
            f'found "{words}", which a shell would have to read; {_SHELL_FORM}', hint="there is no shell in the image"
        )
    return tuple(found)
