"""Variables of an image and of its user are the guest's; none of them steers the interpreter that runs it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.test_bundle import config, edited, settings_of
from wherry.container import wrapper
from wherry.container.compose import _ignore_preload_file
from wherry.container.guest_environment import take_guest_variables
from wherry.container.libraries import closure
from wherry.container.rootfs import Root
from wherry.errors import FormatError

STEERING = [
    "LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/evil", "LD_AUDIT=/evil.so", "LD_DEBUG=all", "GLIBC_TUNABLES=glibc.malloc.check=3",
    "GCONV_PATH=/evil", "LOCPATH=/evil", "MALLOC_PERTURB_=1", "VK_DRIVER_FILES=/evil.json", "VK_ICD_FILENAMES=/evil.json",
    "VK_LAYER_PATH=/evil", "VK_INSTANCE_LAYERS=evil", "__EGL_VENDOR_LIBRARY_FILENAMES=/evil.json", "MESA_DEBUG=x",
    "PYTHONPATH=/evil", "PYTHONHOME=/evil", "PYTHONSTARTUP=/evil.py", "OPENSSL_CONF=/evil.cnf", "OPENSSL_MODULES=/evil",
    "SSL_CERT_FILE=/evil.pem", "XDG_CACHE_HOME=/evil", "XDG_DATA_DIRS=/evil", "WHERRY_WEBGPU=dawn", "WGPU_LIB_PATH=/evil.so",
    "WHERRY_GUEST_ENV_LD_PRELOAD=/evil.so", "SOMETHING_NEW=/evil",
]  # fmt: skip
PLAIN = ["PATH=/bin", "HOME=/home/me", "TMPDIR=/scratch", "NVIDIA_VISIBLE_DEVICES=all"]


def test_every_variable_but_a_few_is_hidden_from_the_process_and_given_to_the_guest(tmp_path: Path) -> None:
    after = edited(tmp_path, config(tmp_path, ["/app.wasm"], env=[*PLAIN, *STEERING]))["process"]["env"]
    assert after[: len(PLAIN)] == PLAIN
    assert all(text.startswith("WHERRY_GUEST_ENV_") for text in after[len(PLAIN) :])
    guest, kept = take_guest_variables(dict(text.split("=", 1) for text in after))
    assert guest == dict(text.split("=", 1) for text in [*PLAIN, *STEERING])
    assert kept == {"TMPDIR": "/scratch"}


def test_other_programs_keep_their_variables(tmp_path: Path) -> None:
    data = config(tmp_path, ["/program"], env=STEERING)
    assert edited(tmp_path, data)["process"]["env"] == STEERING


def test_the_variables_of_an_exec_are_the_guests_too(tmp_path: Path) -> None:
    data = config(tmp_path, ["/app.wasm"])
    path, root = tmp_path / "process.json", Root(str(tmp_path / "rootfs"), [])
    path.write_text(json.dumps({**data["process"], "args": ["/plain"], "env": ["LD_PRELOAD=/evil.so", "PATH=/bin"]}))
    wrapper.edit_process(str(path), root, settings_of(tmp_path))
    assert json.loads(path.read_text())["env"] == ["WHERRY_GUEST_ENV_LD_PRELOAD=/evil.so", "PATH=/bin"]
    argv = ["exec", "-e", "LD_PRELOAD=/evil.so", "--env=A=b", "--env", "HOME=/x", "id", "/app.wasm", "-e", "C=d"]
    words = wrapper.edit_words(argv, wrapper.parse(argv), root, settings_of(tmp_path))
    hidden = ["-e", "WHERRY_GUEST_ENV_LD_PRELOAD=/evil.so", "--env=WHERRY_GUEST_ENV_A=b", "--env", "HOME=/x", "id"]
    assert words[1:7] == hidden and words[-4:] == ["/app.wasm", "/app.wasm", "-e", "C=d"]


@pytest.mark.parametrize("hidden", [True, False], ids=["by the wrapper", "in a standalone image"])
def test_the_process_of_a_guest_drops_the_variables_before_it_loads_a_library(hidden: bool) -> None:
    """What is there once the engine is loaded, and what the guest is to get."""
    code = (
        "import json, os, sys, wherry.cli.guest as guest\n"
        "def run_guest(file, arguments, options):\n"
        "    print(json.dumps([dict(os.environ), list(options.env)])); return 0\n"
        "guest.run_guest = run_guest\n"
        "from wherry.cli.contained import main\n"
        "main()\n"
    )
    given = [
        text for text in STEERING if not text.startswith(("LD_", "GCONV", "LOCPATH", "GLIBC", "MALLOC", "PYTHON", "WHERRY_G"))
    ]
    prefix = "WHERRY_GUEST_ENV_" if hidden else ""
    environment = dict((prefix + text).split("=", 1) for text in given)
    command = [sys.executable, "-c", code, "/app.wasm", "app.wasm"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd="/")
    ours, guest = json.loads(found.stdout)
    assert ours.keys() <= {"XDG_CACHE_HOME"} and ours["XDG_CACHE_HOME"] != "/evil"
    assert set(given) <= set(guest)


def test_the_runtimes_program_loader_reads_no_preload_file(tmp_path: Path) -> None:
    """/etc/ld.so.preload in a container is the image's. The copy still starts programs."""
    loader = closure([Path(os.path.realpath(sys.executable))]).loader
    assert loader is not None
    copy = Path(shutil.copy(os.path.realpath(loader), tmp_path / "ld.so"))
    copy.chmod(0o755)
    _ignore_preload_file(copy)
    assert b".preload\0" not in copy.read_bytes() and b"/.wherry/runtime/-\0" in copy.read_bytes()
    command = [str(copy), os.path.realpath(sys.executable), "-ISc", "print(6 * 7)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "42\n"
    copy.write_bytes(b"\x7fELF of another libc")
    with pytest.raises(FormatError, match="preload file"):
        _ignore_preload_file(copy)
