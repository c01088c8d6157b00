"""blocks.c -> blocks.ll, LLVM's language for any processor: `python -m wherry.kernels.lower` (ziglang is in the extra `dev`)."""

import re
import subprocess
import tempfile
from pathlib import Path

from wherry.isolation import child_environment, python_command

_SOURCE = Path(__file__).with_name("blocks.c")
_FLAGS = (
    "-target", "x86_64-linux-gnu", "-O2", "-g0", "-fno-vectorize", "-fno-slp-vectorize", "-fno-sanitize=all",
    "-fno-stack-protector", "-fno-strict-aliasing", "-fno-math-errno", "-ffp-contract=off", "-fomit-frame-pointer",
    "-Wno-unused-command-line-argument",
)  # fmt: skip


def lowered() -> str:
    """What blocks.ll should hold."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "blocks.ll"
        command = python_command("ziglang", "cc", *_FLAGS, "-S", "-emit-llvm", "-o", str(made), str(_SOURCE))
        subprocess.run(command, cwd=folder, env=child_environment(), check=True)
        text = made.read_text(encoding="utf-8")
    # What says for which processor, or what older versions of LLVM do not know, or nobody reads.
    text = re.sub(r"^(;|source_filename|target|attributes|![\w.]+ =).*\n", "", text, flags=re.M)
    text = re.sub(r",? ?![\w.]+ !\d+", "", text)
    text = re.sub(r" captures\(none\)| local_unnamed_addr| dso_local| noundef| #\d+| nneg| samesign| disjoint", "", text)
    text = re.sub(r"(define [^{]*\))", r'\1 nounwind "prefer-vector-width"="512"', text)
    return "; Made of blocks.c by lower.py.\n" + re.sub(r"\n{3,}", "\n\n", text)


if __name__ == "__main__":
    _SOURCE.with_suffix(".ll").write_text(lowered(), encoding="utf-8")
