"""WASI 0.2 in Python, for components that are not of our own world: every wait of theirs can be ended."""
