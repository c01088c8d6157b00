"""What is wrong with an app is told before anything is compiled; what is right is compiled once."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.wasm.web import build_app
from wherry.appbuild.componentize import AppSource, build_component
from wherry.appbuild.requirements import install_requirements
from wherry.appbuild.sources import check_app, check_sources
from wherry.errors import DownloadError, InputError, NotFoundError
from wherry.oci.component import read_names

ROOT = Path(__file__).parents[2]


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def wheel(folder: Path, name: str, files: Mapping[str, str], tag: str = "cp314-cp314-manylinux_2_17_x86_64") -> None:
    """A package as pip takes it."""
    information = f"{name}-1.0.dist-info"
    inside = {
        **files,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{information}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tag}\n",
    }
    record = "".join(f"{path},,\n" for path in [*inside, f"{information}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-1.0-{tag}.whl", "w") as archive:
        for path, text in {**inside, f"{information}/RECORD": record}.items():
            archive.writestr(path, text)


def install(folder: Path, *names: str) -> Path:
    place = folder / "requirements.txt"
    place.write_text("\n".join(["--no-index", f"--find-links {folder}", *names]))
    return install_requirements(place, folder / "cache", say=lambda line: None)


NATIVE = "_fast.cpython-314-x86_64-linux-gnu.so"


def test_a_package_that_can_do_without_its_native_code_does(tmp_path: Path) -> None:
    wheel(
        tmp_path,
        "able",
        {"able/__init__.py": "try:\n    from able._fast import f\nexcept ImportError:\n    f = 1\n", f"able/{NATIVE}": ""},
    )
    found = install(tmp_path, "able")
    assert (found / "able/__init__.py").is_file() and not (found / f"able/{NATIVE}").exists()


@pytest.mark.parametrize(
    "files",
    [
        {"bound/__init__.py": "import sys\nfrom . import _fast\n", f"bound/{NATIVE}": ""},
        {"bound.cpython-314-x86_64-linux-gnu.so": ""},
    ],
    ids=["imported", "alone"],
)
def test_native_code_is_named(tmp_path: Path, files: Mapping[str, str]) -> None:
    wheel(tmp_path, "bound", files)
    with pytest.raises(InputError, match=r"requirements.txt: bound 1.0: found native code.*(__init__.py:2 imports|stands in)"):
        install(tmp_path, "bound")


def test_a_requirement_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="No matching distribution found for nowhere"):
        install(tmp_path, "nowhere")


def test_requirements_are_installed_once(tmp_path: Path) -> None:
    wheel(tmp_path, "plain", {"plain.py": ""}, "py3-none-any")
    first = install(tmp_path, "plain")
    (tmp_path / "plain-1.0-py3-none-any.whl").unlink()
    assert install(tmp_path, "plain") == first


def test_requirements_are_checked_by_their_hashes(tmp_path: Path) -> None:
    wheel(tmp_path, "plain", {"plain.py": ""}, "py3-none-any")
    digest = hashlib.sha256((tmp_path / "plain-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    with pytest.raises(DownloadError, match="HASHES"):
        install(tmp_path, f"plain==1.0 --hash=sha256:{'0' * 64}")
    assert (install(tmp_path, f"plain==1.0 --hash=sha256:{digest}") / "plain.py").is_file()


def test_no_code_of_a_source_distribution_runs(tmp_path: Path) -> None:
    mark = tmp_path / "RAN"
    written(tmp_path / "evil", {"setup.py": f"open({str(mark)!r}, 'w')\n"})
    for line in (str(tmp_path / "evil"), "./evil", f"evil @ file://{tmp_path}/evil", "--no-binary :all:\nevil"):
        with pytest.raises(InputError, match=r"requirements.txt:\d: found .*evil|requirements.txt:3: found '--no-binary"):
            install(tmp_path, line)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"app.py": "def app(:\n"}, r"app.py:1: found a mistake in Python"),
        ({"app.py": "import nowhere\n"}, r'app.py:1: imports "nowhere": found no such module'),
        ({"app.py": "import other\n", "other.py": "x = 1\nfrom other.deep import y\n"}, r'other.py:2: imports "other.deep"'),
        ({"app.py": "def app(e, s):\n    import ssl\n"}, r'app.py:2: imports "ssl", which is not there inside the sandbox'),
        (
            {"app.py": "from wherry.engine.session import Whisper\n"},
            r'app.py:1: imports "wherry.engine.session", expected one of',
        ),
        ({"app.py": "\0"}, "cannot contain null bytes"),
    ],
)
def test_what_is_wrong_with_a_module_is_named(tmp_path: Path, files: Mapping[str, str], message: str) -> None:
    folder, packages = written(tmp_path / "app", files), tmp_path / "packages"
    with pytest.raises(InputError, match=message):
        check_sources("app", folder, packages)


@pytest.mark.parametrize(
    ("text", "is_bound"),
    [
        ("import os\n", False),
        ("def other():\n    app = 1\n", False),
        ("class Site:\n    app = 1\n", False),
        ("x: int = 1\napplication = x\n", False),
        ("from web import app\n", True),
        ("import app\n", True),
        ("from web import *\n", True),
        ("try:\n    import x\nexcept ImportError:\n    app = None\n", True),
        ("if True:\n    def app(e, s): ...\n", True),
        ("def make():\n    global app\n    app = 1\nmake()\n", True),
        ("globals()['app'] = 1\n", True),
        ("for app in (1,): pass\n", True),
        ("(first, app), *rest = (1, 2), 3\n", True),
    ],
)
def test_a_module_without_its_app_is_refused_before_compiling(tmp_path: Path, text: str, is_bound: bool) -> None:
    (tmp_path / "app.py").write_text(text)
    if is_bound:
        check_app("app", "app", tmp_path)
    else:
        with pytest.raises(InputError, match=r"app\.py: found no `app`"):
            check_app("app", "app", tmp_path)


def test_a_folder_without_its_module_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"app.py: found no such file"):
        check_sources("app", tmp_path, tmp_path)


def test_imports_that_are_made_later_are_found(tmp_path: Path) -> None:
    app = """
from package import sub
try:
    import optional
except ImportError:
    optional = None
def app(environ, start_response):
    import json, package.later
    from . import nothing
"""
    folder = written(tmp_path / "app", {"app.py": app})
    packages = written(tmp_path / "packages", {"package/__init__.py": "", "package/sub.py": "def f():\n    from . import deep\n",
                                               "package/deep.py": "", "package/later.py": ""})  # fmt: skip
    found = check_sources("app", folder, packages)
    assert {"json", "package.later", "package.deep"} <= set(found) and "optional" not in found


def test_the_same_files_are_compiled_once(web_component: Path) -> None:
    before = web_component.stat().st_mtime_ns, web_component.read_bytes()[:100]
    assert build_app(ROOT / "tests/guests/web") == web_component
    assert before[1] == web_component.read_bytes()[:100]


def test_the_component_exports_the_contract(web_component: Path) -> None:
    imports, exports = read_names(web_component.read_bytes(), "app")
    assert "handle" in exports
    assert {"wherry:app/speech@0.1.0", "wasi:nn/graph@0.2.0-rc-2024-10-28"} <= set(imports)


@pytest.mark.slow
def test_what_an_app_raises_while_it_is_imported_is_told(tmp_path: Path) -> None:
    folder = written(tmp_path / "app", {"app.py": "print('hello')\nraise RuntimeError('of its own')\napp = None\n"})
    listed = [(folder / "app.py", "app.py")]
    with pytest.raises(InputError, match=r'could not be compiled(?s:.)*"app.py", line 2(?s:.)*RuntimeError: of its own'):
        build_component(AppSource(folder), listed, tmp_path / "cache", say=lambda line: None)
    assert not list((tmp_path / "cache/apps").glob("*.wasm"))


def test_names_of_apps_are_python(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected MODULE:NAME"):
        AppSource(tmp_path, "app", "a b")
