"""Readers that `benchmarks/fuzz.py` tries: a file for each area."""
