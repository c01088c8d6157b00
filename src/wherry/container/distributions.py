"""The Python packages that `wherry run` needs, as installed on this host."""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

import wherry
from wherry.errors import NotFoundError

_SKIPPED_FOLDERS = {"__pycache__", "tests", "test"}
# Declared, but not used by a guest's run: pip fetches models, and tokenizers asks the hub only in `from_pretrained`.
_NOT_NEEDED = {"pip", "huggingface-hub"}
_IF_INSTALLED = ("wgpudawn",)


def needed() -> list[Distribution]:
    """wherry and what it needs, in the order of their names.

    Raises NotFoundError where wherry itself is not an installed package (its version is part of the runtime).
    """
    found: dict[str, Distribution] = {}
    pending = ["wherry", *_IF_INSTALLED]
    while pending:
        name = _normal(pending.pop())
        if name in found or name in _NOT_NEEDED:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError as error:
            if name == "wherry":
                raise NotFoundError("wherry: found no installed package of this name", hint="pip install wherry") from error
            continue  # for another platform, or an optional one that is not here
        for requirement in found[name].requires or []:
            specification, _, marker = requirement.partition(";")
            if "extra" not in marker:
                pending.append(_name_of(specification))
    return [found[name] for name in sorted(found)]


def files(package: Distribution) -> Iterator[tuple[Path, PurePosixPath]]:
    """(file on this host, its path below site-packages) of all that belongs to a package, without tests and programs."""
    if _normal(package.metadata["Name"]) == "wherry":  # may be installed as a link to its sources
        source = Path(wherry.__file__).parent
        for path in sorted(source.rglob("*")):
            inner = path.relative_to(source)
            if path.is_file() and not _SKIPPED_FOLDERS & set(inner.parts):
                yield path, PurePosixPath("wherry") / inner.as_posix()
    for entry in package.files or []:
        listed = PurePosixPath(str(entry))
        path = Path(str(package.locate_file(entry)))
        skipped = ".." in listed.parts or listed.parts[0] == "wherry" or _SKIPPED_FOLDERS & set(listed.parts)
        if not skipped and listed.suffix not in (".pth", ".pyc") and path.is_file():
            yield path, listed


def _name_of(specification: str) -> str:
    match = re.match(r"\s*([A-Za-z0-9][\w.-]*)", specification)
    return match[1] if match else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
