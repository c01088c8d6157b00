"""WASI's own files in the tree, as wasm-tools reads them, and what the host provides: function by function, both ways."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from wasmtime.component import _types as types

from tests.wasm.wasi.conftest import CACHE, contracts
from wherry.wasm.component import Compiled
from wherry.wasm.wasi import world
from wherry.wasm.wasi.contract import contract, described
from wherry.wasm.wasi.resources import NUMBERS

# What no host need have: a draft that its own file marks as such, and what a guest exports.
_ABSENT = {"wasi:clocks/timezone", "wasi:cli/run", "wasi:http/incoming-handler"}


def test_wasi_is_complete(tmp_path: Path) -> None:
    contracts(tmp_path, "0.2.12")
    (tmp_path / "all.wit").write_text("package test:all;\nworld all { include wasi:http/proxy@0.2.12; }\n")
    tools = Path(sys.executable).with_name("wasm-tools")
    command = [str(tools), "component", "wit", str(tmp_path), "--json", "--all-features"]
    read = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    packages = [package["name"].partition("@")[0] for package in read["packages"]]
    wanted = {}
    for interface in read["interfaces"]:
        package = packages[interface["package"]]
        if interface["name"] and package.startswith("wasi:") and package != "wasi:nn":
            wanted[f"{package}/{interface['name']}"] = set(interface["functions"])
            resources = {name for name, number in interface["types"].items() if read["types"][number]["kind"] == "resource"}
            assert resources <= set(NUMBERS)
    found = {name: set(item.functions) for name, item in world.interfaces().items() if not name.startswith("wasi:nn/")}
    wanted = {name: functions for name, functions in wanted.items() if name not in _ABSENT}
    assert found == wanted
    assert {name: set(contract(name)) for name in wanted} == wanted


@pytest.mark.slow
def test_types_are_those_of_a_compiler(js_component: Path) -> None:
    """componentize-js read WASI's files by itself."""
    compiled = Compiled(js_component, CACHE)
    checked = 0
    for name, item in compiled.component.type.imports(compiled.engine).items():
        interface = name.partition("@")[0]
        for function, inner in item.ty.exports(compiled.engine).items():  # type: ignore[union-attr]
            if isinstance(inner.ty, types.FuncType) and not interface.startswith("wasi:nn/"):
                assert described(inner.ty) == contract(interface)[function], f"{interface}#{function}"
                checked += 1
    assert checked > 80
