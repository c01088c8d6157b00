"""Dockerfiles for images without a userland: FROM scratch, COPY, ADD, ENV, LABEL, EXPOSE, WORKDIR, ENTRYPOINT, CMD, ARG.

They mean what docker's reference says they mean. There is nothing in such an image that RUN could run, so every other
instruction and every second stage is refused, by its line; so is every flag that would ask for what a layer here never has.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from posixpath import normpath

from wherry.errors import InputError, WherryError
from wherry.oci.context import Context, Ignore, missing_folders
from wherry.oci.instructions import Heredoc, Instruction, parse_dockerfile
from wherry.oci.layer import Entry
from wherry.oci.recipe import Recipe, Step
from wherry.oci.words import expand, parse_list, split_blanks, split_words

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_SHELL_FORM = 'expected the JSON form, such as ["/app.wasm"]'
_KNOWN = "FROM scratch, COPY, ADD, ENV, LABEL, EXPOSE, WORKDIR, ENTRYPOINT, CMD, ARG"
_PLATFORM_ARGUMENT = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)")
_NO_UTF8 = re.compile("[\udc80-\udcff]")
_FLAGS = {"FROM": {"platform"}, "COPY": {"chmod", "chown", "exclude", "link"}, "ADD": {"chmod", "chown", "exclude", "link"}}
_ROOT_OWNER = ("0", "0:0", "root", "root:root")
_MODE = re.compile(r"0?[0-7]{3}")
_ADDRESS = re.compile(r"[a-z]+://|git@|github\.com/")
_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
_PREDEFINED = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}


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
        self._escape = "\\"
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
            "COPY": lambda words: self._copy(instruction),
            "ADD": lambda words: self._copy(instruction),
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
        for flag, value in instruction.flags:
            if flag not in _FLAGS.get(instruction.name, ()):
                shown = f"--{flag}={value}" if value else f"--{flag}"
                raise InputError(f"found the flag {shown}, expected {_flags(instruction.name)}")
        if _NO_UTF8.search(words) and instruction.name not in ("COPY", "ADD"):  # these may name files by any bytes
            raise InputError(f"found bytes that are no UTF-8 in {ascii(words)[:80]}, expected text")
        self._escape = instruction.escape
        if not words:
            raise InputError("found nothing after it")
        if not self.based and instruction.name not in ("FROM", "ARG"):
            raise InputError("found it before FROM, expected FROM scratch first")
        entries = known[instruction.name](words)
        self._folders |= {entry.path for entry in entries if entry.is_folder}
        if instruction.name not in ("FROM", "ARG"):
            self._steps.append(Step(_NO_UTF8.sub("\ufffd", str(instruction)), entries))

    # -- one method an instruction: what it adds to the image

    def _from(self, words: str) -> tuple[Entry, ...]:
        if self.based:
            raise InputError("found a second stage, expected one")
        base, *rest = split_blanks(words)
        if expand(base, self._globals, self._escape) != "scratch" or (rest and (len(rest) != 2 or rest[0].upper() != "AS")):
            raise InputError(
                f'found "{words}", expected scratch', hint="copy what you need of another image into the build's folder"
            )
        self.based = True
        return ()

    def _arg(self, words: str) -> tuple[Entry, ...]:
        for word in split_words(words, self._escape):
            name, sign, value = word.partition("=")
            name = self._expand(name)
            if not _NAME.fullmatch(name):
                raise InputError(f'found "{word}", expected NAME or NAME=VALUE')
            if _PLATFORM_ARGUMENT.fullmatch(name) and not sign and name not in self._arguments:
                raise InputError(f"found {name}: the image is the same for every platform", hint="give it a value of its own")
            known = self._args if self.based else self._globals
            self.declared.add(name)
            if name in self._arguments:
                known[name] = self._arguments[name]
            elif sign:
                known[name] = self._expand(value)
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
            text = self._expand(word)
            found = _PORT.fullmatch(text)
            first = int(found[1]) if found else 0
            last = int(found[2] or first) if found else 0
            if found is None or not 0 < first <= last <= 65535:
                raise InputError(f'found "{text}", expected a port such as 8080, 8080/tcp or 8000-8010')
            self._ports += [f"{port}/{(found[3] or 'tcp').lower()}" for port in range(first, last + 1)]
        return ()

    def _workdir(self, words: str) -> tuple[Entry, ...]:
        self._working_dir = self._absolute(self._expand(words))
        return missing_folders(PurePosixPath(self._working_dir), self._folders)

    def _copy(self, instruction: Instruction) -> tuple[Entry, ...]:
        given = parse_list(instruction.words)
        words = given or split_blanks(instruction.words)
        heredocs = {heredoc.word: heredoc for heredoc in instruction.heredocs} if given is None else {}
        *sources, target = [word if word in heredocs else self._expand(word) for word in words]
        if not sources or not target or not all(sources) or target in heredocs:
            raise InputError(f'found "{instruction.words}", expected SOURCE... TARGET')
        flags = dict(instruction.flags)
        program = self._program(flags)
        exclude = Ignore(self._expand(value) for name, value in instruction.flags if name == "exclude")
        folder = target.endswith(("/", "/.")) or target == "."
        target = self._absolute(target)
        target += "/" if folder and target != "/" else ""
        files = [source for source in sources if source not in heredocs]
        if len(sources) > 1 and not folder and len(files) != len(sources):
            raise InputError(f'found {len(sources)} sources and the target "{target}", expected a target that ends with /')
        if instruction.name == "ADD":
            self._check_added(files)
        entries = self._context.copy(files, target, self._folders, exclude=exclude) if files else []
        for source in sources:
            if source in heredocs:
                entries += self._written(heredocs[source], target, entries)
        return tuple(entry if program is None or entry.is_folder else replace(entry, program=program) for entry in entries)

    def _written(self, heredoc: Heredoc, target: str, before: Sequence[Entry]) -> list[Entry]:
        """A file whose content stands in the Dockerfile; its name is the heredoc's where the target is a folder."""
        into = target.endswith("/") or PurePosixPath(target) in self._folders
        path = PurePosixPath(target) / heredoc.name if into else PurePosixPath(target)
        content = heredoc.content
        if heredoc.expands:
            content = expand(content, self._variables, self._escape, quotes=False)
        folders = self._folders | {entry.path for entry in before if entry.is_folder}
        return [*missing_folders(path.parent, folders), Entry(path, content=content.encode("utf-8", "surrogateescape"))]

    def _program(self, flags: Mapping[str, str]) -> bool | None:
        """Whether files may be run, as --chmod has it: a layer here says nothing else of modes, and nothing of owners."""
        owner = self._expand(flags.get("chown", "0"))
        if owner not in _ROOT_OWNER:
            raise InputError(f"--chown: found {owner}, expected 0:0 or none: all files of the image are root's")
        if "chmod" not in flags:
            return None
        mode = self._expand(flags["chmod"])
        if not _MODE.fullmatch(mode):
            raise InputError(f"--chmod: found {mode}, expected three octal digits such as 755")
        return bool(int(mode, 8) & 0o111)

    def _check_added(self, sources: Sequence[str]) -> None:
        """What ADD would do beyond COPY is fetching and unpacking."""
        hint = "fetch or unpack it before the build, and write COPY"
        for source in sources:
            if _ADDRESS.match(source):
                raise InputError(f'found the address "{source}", expected a file of the build\'s folder', hint=hint)
        for path in self._context.files(sources):
            with path.open("rb") as file:
                first = file.read(512)
            if first.startswith(_ARCHIVES) or first[257:262] == b"ustar":
                raise InputError(f'found the archive "{path.name}", which ADD would unpack, expected another file', hint=hint)

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

    def _expand(self, word: str) -> str:
        return expand(word, self._variables, self._escape)

    def _absolute(self, path: str) -> str:
        found = normpath("/" + path if path.startswith("/") else f"{self._working_dir}/{path}")
        return "/" + found.lstrip("/")

    def _pairs(self, words: str) -> dict[str, str]:
        """`NAME=VALUE...`, or the old form `NAME the rest of the line`."""
        found = split_words(words, self._escape)
        if "=" not in found[0]:
            name, rest = found[0], words[len(found[0]) :].strip()
            if not rest:
                raise InputError(f'found "{words}", expected NAME=VALUE')
            pairs = [(name, rest)]
        else:
            if wrong := [word for word in found if "=" not in word]:
                raise InputError(f'found "{wrong[0]}", expected NAME=VALUE')
            pairs = [(name, value) for name, _, value in (word.partition("=") for word in found)]
        expanded = {self._expand(name): self._expand(value) for name, value in pairs}
        if "" in expanded or any("=" in name or "\0" in name + value for name, value in expanded.items()):
            raise InputError(f'found "{words}", expected names that are not empty')
        return expanded


def _flags(name: str) -> str:
    known = sorted(_FLAGS.get(name, ()))
    return " ".join(f"--{flag}" for flag in known) if known else "none"


def _json_form(words: str) -> tuple[str, ...]:
    found = parse_list(words)
    if found is None:
        raise InputError(
            f'found "{words}", which a shell would have to read; {_SHELL_FORM}', hint="there is no shell in the image"
        )
    return tuple(found)
