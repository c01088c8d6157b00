"""Every family of language models against Hugging Face transformers, with small random weights, on the CPU and in WGSL."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import ROOT
from tests.devices import open_for_tests
from tests.references.llm_families import FAMILIES, TOKENS, random_weights
from wherry.engine.host_rows import HostRows
from wherry.engine.language_network import LanguageNetwork
from wherry.errors import FormatError
from wherry.kernels.compiled import compiled
from wherry.kernels.cpu import CpuOperations
from wherry.kernels.gpu import GpuOperations
from wherry.kernels.pages import PAGE, PAGES, Pages
from wherry.models import gemma, llama
from wherry.models.language import gemma_weights, language_model, llama_weights
from wherry.models.rotation import Rotation, rotation_table
from wherry.weights import Checkpoint

# Made by tests/references/llm_families.py.
_FIXTURE = np.load(ROOT / "tests/fixtures/llm_families.npz")
_PLACES = [0, 6, 20, 39]  # of the logits in the fixture
_CONTEXT = 64
_PIECES = (13, 20, 1, 1, 5)  # tokens at once: a prompt, its rest, steps, and some more


def checkpoint(name: str) -> Checkpoint:
    shapes = {key: tuple(shape) for key, shape in json.loads(str(_FIXTURE[f"{name}.shapes"])).items()}
    config = json.loads(str(_FIXTURE[f"{name}.config"]))
    return Checkpoint(Path(f"{name}.safetensors"), "safetensors", random_weights(shapes), {"config": config})


def logits(name: str, ops: Any, paged: bool = False) -> NDArray[np.float32]:
    """After each of TOKENS, taken in pieces: (T, vocab). paged: keys and values lie in a page."""
    model = language_model(checkpoint(name))
    dims = model.dims
    tables = [ops.array(rotation_table(rotation, _CONTEXT)) for rotation in model.rotations]
    shape = (1, _CONTEXT, dims.n_kv_head * dims.head_width)
    cache = llama.Cache(*([ops.empty(shape) for _ in range(dims.n_layer)] for _ in range(2)))
    rows = np.zeros((1, PAGES + 1), np.int32)
    rows[0, PAGES] = 2
    placed = ops.array(rows)
    if paged:
        pool = (4, PAGE, 2, shape[2] // 2)
        keys = [Pages(ops.array(np.zeros(pool, np.uint32)), placed) for _ in range(dims.n_layer)]
        cache = llama.Cache(keys, [key.values() for key in keys])
    found, at = [], 0
    if isinstance(dims, gemma.GemmaDims):
        weights: Any = gemma_weights(model, ops.weight, *tables)
        decode: Any = gemma.decode
        table = weights.tokens
    else:
        weights = llama_weights(model, ops.weight, tables[0])
        decode = llama.decode
        table = weights.output
    for count in _PIECES:
        if paged:
            ops.device.write(placed, np.asarray([at + count], np.int32), at=0)
        tokens = np.asarray([TOKENS[at : at + count]], np.int32)
        where = [ops.array(np.asarray([place], np.int32)) for place in (at, at + count)]
        hidden = decode(ops, dims, weights, ops.array(tokens), *where, cache).reshape((count, dims.n_state))
        part = ops.logits(hidden, table)
        found.append(ops.numpy(ops.cap(part, dims.logit_cap) if getattr(dims, "logit_cap", 0.0) else part))
        at += count
    return np.concatenate(found)


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_on_the_cpu_are_transformers(name: str) -> None:
    found = logits(name, CpuOperations(code=compiled()))
    np.testing.assert_allclose(found[_PLACES], _FIXTURE[f"{name}.logits"], atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("compiles", [True, False])
def test_logits_over_pages_on_the_cpu_are_transformers(name: str, compiles: bool) -> None:
    """Recorded steps in compiled code, and numpy where there is none; in pieces, as a prompt may come."""
    model = language_model(checkpoint(name))
    ops = CpuOperations(code=compiled() if compiles else None)
    assert ops.takes_text(model.dims) == compiles
    tables = [rotation_table(rotation, 128) for rotation in model.rotations]
    place = ops.language_weight if compiles else ops.weight
    if isinstance(model.dims, gemma.GemmaDims):
        weights: Any = gemma_weights(model, place, *tables)
    else:
        weights = llama_weights(model, place, tables[0])
    rows = HostRows(LanguageNetwork(model, ops, weights), 1, 4, 128)
    whole = rows.logits(TOKENS, 0, [2, 1])
    np.testing.assert_allclose(whole[_PLACES], _FIXTURE[f"{name}.logits"], atol=1e-4)
    pieces = [rows.logits(TOKENS[a:b], a, [3, 1]) for a, b in ((0, 13), (13, 14), (14, len(TOKENS)))]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("implementation", ["wgpu", "dawn"])
def test_logits_in_wgsl_are_transformers(name: str, implementation: str) -> None:
    device = open_for_tests(implementation)
    found = logits(name, GpuOperations(device))
    np.testing.assert_allclose(found[_PLACES], _FIXTURE[f"{name}.logits"], atol=2e-4)
    device.destroy()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("implementation", ["wgpu", "dawn"])
def test_logits_over_pages_of_halves_stay_near(name: str, implementation: str) -> None:
    device = open_for_tests(implementation)
    found = logits(name, GpuOperations(device), paged=True)
    expected = _FIXTURE[f"{name}.logits"]
    assert np.sqrt(np.square(found[_PLACES] - expected).mean() / np.square(expected).mean()) < 2e-3
    device.destroy()


def changed(name: str, **changes: object) -> Checkpoint:
    whole = checkpoint(name)
    config = whole.metadata["config"]
    assert isinstance(config, dict)
    return replace(whole, metadata={"config": {**config, **changes}})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "mamba"}, 'architecture "mamba"'),
        ({"num_hidden_layers": 4}, 'tensor "blk.3.attn_norm.weight": found none'),
        ({"hidden_size": 128}, r'tensor "token_embd.weight": found \[160, 64\], expected \[160, 128\]'),
        ({"num_attention_heads": 0}, '"heads": found 0'),
        ({"num_attention_heads": True}, '"heads": found True'),
        ({"num_key_value_heads": 3}, 'tensor "blk.0.attn_k.weight"'),
        ({"rms_norm_eps": "small"}, "\"eps\": found 'small'"),
        ({"max_position_embeddings": 1 << 40}, '"context"'),
        ({"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}, 'rope scaling: found "dynamic"'),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 0.5}}, "rope scaling yarn"),
        ({"rope_parameters": {"rope_theta": 0.5}}, "the base 0.5"),
        ({"rope_parameters": [1]}, "rope_parameters"),
    ],
)
def test_sizes_that_cannot_be_are_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        language_model(changed("llama", **changes))
    assert "llama.safetensors" in str(caught.value)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32])
def test_whole_numbers_in_a_language_model_are_refused_by_name(dtype: Any) -> None:
    whole = checkpoint("llama")
    name = "model.layers.0.mlp.down_proj.weight"
    tensors = dict(whole.tensors) | {name: np.asarray(whole.tensors[name]).astype(dtype)}
    with pytest.raises(FormatError, match=f'llama.safetensors: tensor "{name}": found type {np.dtype(dtype)}'):
        language_model(replace(whole, tensors=tensors))


def test_a_part_of_each_head_can_be_rotated_and_factors_divide() -> None:
    """Frequencies by hand: base 100, four numbers, so 1 and 1/10 radians a position; the factors make them 1/2 and 1/40."""
    table = rotation_table(Rotation(4, 100.0, factors=(2.0, 4.0)), 3)
    np.testing.assert_allclose(table[2], [[np.cos(1), np.sin(1)], [np.cos(0.05), np.sin(0.05)]], rtol=1e-6)
