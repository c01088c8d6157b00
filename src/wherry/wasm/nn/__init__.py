"""WASI-NN: contracts, graphs, ABI."""
