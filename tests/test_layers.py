"""The architecture: which folder may import which, and which folder owns which library."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src/wherry"

# Folder -> what it may import of Wherry; `errors` is everybody's.
ALLOWED: dict[str, set[str]] = {
    "gpu": set(),
    "kernels": {"gpu"},
    "weights": set(),
    "text": set(),
    "audio": set(),
    "models": {"weights"},
    "engine": {"gpu", "kernels", "weights", "text", "audio", "models"},
    "wasm": set(),
    "wasm/nn": {"wasm"},
    "wasm/nn/backend": {"wasm", "engine", "audio"},
    ".": {"cli"},
    "cli": {"gpu", "engine", "wasm", "audio"},
}
# Library -> the one folder that imports it. numpy is everybody's.
OWNERS = {
    "av": "audio",
    "click": "cli",
    "rich": "cli",
    "safetensors": "weights",
    "threadpoolctl": "kernels",
    "tokenizers": "text",
    "wasmtime": "wasm",
    "wgpu": "gpu",
    "wgpudawn": "gpu",
}


def folder_of(file: Path) -> str:
    path = file.relative_to(SOURCE)
    if path.with_suffix("").as_posix() in ALLOWED:
        return path.with_suffix("").as_posix()
    return path.parent.as_posix()


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield node.module or ""


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_follow_the_architecture(file: Path) -> None:
    folder = folder_of(file)
    for name in imports(file):
        top, *rest = name.split(".")
        if top in OWNERS:
            assert folder.split("/")[0] == OWNERS[top], f"{file}: only {OWNERS[top]}/ imports {top}"
        if top == "wherry" and rest and rest[0] != "errors" and folder != ".":
            target = rest[0]
            assert target == folder.split("/")[0] or target in ALLOWED[folder], f"{file}: imports {name}"


def test_every_library_is_declared() -> None:
    import sys
    import tomllib

    project = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text())["project"]
    declared = " ".join([*project["dependencies"], *project["optional-dependencies"]["dawn"]])
    for file in FILES:
        for name in imports(file):
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top != "wherry":
                assert top in declared, f"{file}: {top} is no dependency"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_files_stay_readable(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 450, f"{file}: two files in one?"
