"""`python -m wherry`."""

import sys
from pathlib import Path

# `python -m` puts the current folder first: its files must not stand in for modules that are imported from here on.
if not sys.flags.safe_path and Path(sys.path[0]) == Path.cwd() != Path(__file__).parents[1]:
    del sys.path[0]

from wherry.cli.main import main

main()
