"""The contracts in the tree, and what the host provides: function by function, both ways."""

import re
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from tests.wasm.web import Silence
from wherry.engine.transcript import TranscribeOptions
from wherry.errors import FormatError, InputError
from wherry.wasm import app
from wherry.wasm.component import Compiled, Interface, Program
from wherry.wasm.nn import component as nn
from wherry.wasm.nn.speech import transcribe_options
from wherry.wasm.pool import AppOptions, WebApp, interfaces

WIT = Path(app.__file__).parent / "wit"


def declared(text: str) -> dict[str, tuple[set[str], set[str]]]:
    """Interface -> its functions by their names in a component, and its resources."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    text = re.sub(r"//.*", "", text)
    for name, body in re.findall(r"^interface ([\w-]+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        functions, resources = set(), set()
        for resource, inside in re.findall(r"^    resource ([\w-]+) \{(.*?)^    \}", body, re.MULTILINE | re.DOTALL):
            resources.add(resource)
            functions |= {
                f"[method]{resource}.{method}" for method in re.findall(r"^        ([\w-]+): func", inside, re.MULTILINE)
            }
            if "constructor(" in inside:
                functions.add(f"[constructor]{resource}")
        functions |= set(re.findall(r"^    ([\w-]+): func", body, re.MULTILINE))
        found[name] = functions, resources
    return found


def provided(found: dict[str, Interface], prefix: str) -> dict[str, tuple[set[str], set[str]]]:
    return {
        name.removeprefix(prefix).partition("@")[0]: (set(interface.functions), set(interface.resources))
        for name, interface in found.items()
    }


def test_wasi_nn_is_complete() -> None:
    text = (WIT / "deps/wasi-nn/wasi-nn.wit").read_text()
    assert f"package wasi:nn@{nn.VERSION};" in text
    assert provided(nn.interfaces(), "wasi:nn/") == declared(text)


def test_the_app_world_is_complete() -> None:
    text = (WIT / "app.wit").read_text()
    assert f"package wherry:app@{app.VERSION};" in text
    imported = {name: items for name, items in declared(text).items() if name != "http"}
    assert provided(app.interfaces(), "wherry:app/") == imported


def test_error_kinds_are_the_classes() -> None:
    from wherry import errors
    from wherry.errors import WherryError

    kinds = re.search(r"enum kind \{(.*?)\}", (WIT / "app.wit").read_text(), re.DOTALL)
    assert kinds is not None
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, WherryError)]
    assert {app.kind_of(c("")) for c in classes} == {word.strip() for word in kinds[1].split(",") if word.strip()}


def test_a_compiled_component_has_types_that_the_host_can_pass(web_component: Path, tmp_path: Path) -> None:
    """componentize-py read the same files: what it imports is linked, by its own types."""
    program = Program(Compiled(web_component, web_component.parents[1]), interfaces(), wasi=True)
    names = set(program.component.type.imports(program.engine))
    assert {name for name in interfaces() if not name.startswith("wherry:app/errors")} <= names


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("(component)", FormatError("found no export handle")),
        (
            '(component (import "wasi:http/types@0.2.0" (instance (export "f" (func)))))',
            InputError("import wasi:http/types@0.2.0"),
        ),
        ('(component (import "other:host/api" (instance (export "f" (func)))))', InputError("import other:host/api")),
        ('(component (import "wherry:app/log@0.1.0" (instance (export "shout" (func)))))', InputError("log@0.1.0#shout")),
    ],
)
def test_a_component_that_is_no_app_is_told_at_once(tmp_path: Path, text: str, error: Exception) -> None:
    path = tmp_path / "other.wasm"
    path.write_bytes(bytes(wat2wasm(text)))
    with pytest.raises(type(error), match=str(error)):
        WebApp(path, AppOptions(), Silence(), lambda name: None)  # type: ignore[arg-type, return-value]


def test_components_of_the_first_contract_get_defaults_for_later_options() -> None:
    first = (
        "en", "translate", [0.0, 0.2], 5, None, 1.5, None, "a prompt", False, 2.0, -0.5, 0.7, True, False, 4, 1.0, 2.0, 7,
    )  # fmt: skip
    options = transcribe_options(first)
    assert (options.language, options.task, options.temperature, options.seed) == ("en", "translate", (0.0, 0.2), 7)
    assert (options.clip_start, options.clip_seconds, options.batch_size) == (1.0, 2.0, 4)
    defaults = TranscribeOptions()
    assert (options.language_detection, options.suppress_tokens) == (defaults.language_detection, defaults.suppress_tokens)
    for count in (0, 17, 19, 99):
        with pytest.raises(ValueError, match=f"found {count} fields"):
            transcribe_options((None,) * count)
