"""The architecture: which folder may import which, and which folder owns which library."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/wherry"

# Files that everything may import: the exceptions, how child processes are started, where a server may send us.
SHARED = {"addresses", "errors", "interruption", "isolation"}
# Folder -> what it may import of Wherry, besides SHARED.
ALLOWED: dict[str, set[str]] = {
    "gpu": set(),
    "kernels": {"gpu"},
    "weights": set(),
    "text": set(),
    "audio": set(),
    "models": {"weights"},
    "engine": {"gpu", "kernels", "weights", "text", "audio", "models"},
    "wasm": set(),
    "wasm/http": {"wasm"},
    "wasm/nn": {"wasm"},
    "wasm/wasi": {"wasm"},
    "wasm/nn/backend": {"wasm", "engine", "audio"},
    "wasm/nn/ggml": {"wasm", "engine", "text"},
    "wasm/nn/language": {"wasm", "engine"},
    "wasm/nn/sentences": {"wasm", "engine"},
    "wasm/nn/speech": {"wasm", "engine", "audio"},
    "appbuild": set(),
    "oci": set(),
    "guest": {"engine"},  # the plain data of a transcript and its writers; tests/guest says of what the rest consists
    "container": {"oci", "wasm"},
    ".": {"cli", "errors"},
    "cli": {"gpu", "engine", "wasm", "audio", "oci", "container", "guest", "appbuild"},
}
# Library -> the one folder that imports it. numpy is everybody's.
OWNERS = {
    "av": "audio",
    "backports": "oci",
    "click": "cli",
    "deflate": "oci",
    "httpx2": "oci",
    "h11": "wasm",
    "huggingface_hub": "engine",
    "jinja2": "text",
    "llguidance": "text",
    "llvmlite": "kernels",
    "packaging": "appbuild",
    "prometheus_client": "wasm",
    "rich": "cli",
    "safetensors": "weights",
    "starlette": "wasm",
    "threadpoolctl": "kernels",
    "tokenizers": "text",
    "uvicorn": "wasm",
    "wasmtime": "wasm",
    "wgpu": "gpu",
    "wgpudawn": "gpu",
}
# Of no package: Python 3.14's, and what componentize-py makes of our contract inside a component.
ELSEWHERE = {"compression", "componentize_py_types", "wit_world"}


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
        if top == "wherry" and rest and rest[0] not in SHARED and folder != ".":
            target = rest[0]
            assert target == folder.split("/")[0] or target in ALLOWED[folder], f"{file}: imports {name}"


def test_every_library_is_declared() -> None:
    """The program's among its dependencies; the suite's there or in `dev`. References have an environment
    of their own, guests their requirements.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    program = " ".join([*project["dependencies"], *extras["dawn"]])
    suite = [file for file in sorted((ROOT / "tests").rglob("*.py")) if not {"references", "guests"} & set(file.parts)]
    for files, declared in ((FILES, program), (suite, " ".join([program, *extras["dev"]]))):
        for file in files:
            for name in imports(file):
                top = name.split(".")[0]
                if top not in {*sys.stdlib_module_names, *ELSEWHERE, "wherry", "tests", "benchmarks"}:
                    assert top.replace("_", "-") in declared or top in declared, f"{file}: {top} is no dependency"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_files_stay_readable(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 450, f"{file}: two files in one?"
