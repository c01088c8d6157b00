"""Wherry: WebAssembly AI apps on any GPU."""
