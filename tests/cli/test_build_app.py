"""Which files of a model go into an app's image, and by which preload they are found there."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from wherry.cli.build_app import _model
from wherry.cli.model_address import named_models
from wherry.engine.catalog import find_model, model_kind
from wherry.errors import InputError
from wherry.oci.settings import RunSettings
from wherry.wasm.nn.preload import kind_of, parse_preload

CONFIG = {"bert": json.dumps({"model_type": "bert"}), "llama": json.dumps({"model_type": "llama"})}
MODELS: dict[str, tuple[Mapping[str, str], str, str, list[str]]] = {
    "gguf": ({"tiny.gguf": "GGUF", "notes.md": ""}, "tiny.gguf", "language", ["model.gguf"]),
    "split": (
        {"big-00001-of-00002.gguf": "GGUF", "big-00002-of-00002.gguf": "GGUF", "other.gguf": "GGUF"},
        "big-00001-of-00002.gguf",
        "language",
        ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"],
    ),
    "checkpoint": (
        {
            "model.safetensors": "x",
            "config.json": CONFIG["llama"],
            "tokenizer.json": "{}",
            "chat_template.jinja": "",
            "a.txt": "",
        },
        "model.safetensors",
        "language",
        ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"],
    ),
    "sentences": (
        {"model.safetensors": "x", "config.json": CONFIG["bert"], "tokenizer.json": "{}", "1_Pooling/config.json": "{}"},
        "model.safetensors",
        "sentences",
        ["model.safetensors", "config.json", "tokenizer.json", "1_Pooling/config.json"],
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_goes_into_an_image_as_it_is(case: str, tmp_path: Path) -> None:
    files, weights, kind, expected = MODELS[case]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert model_kind(find_model(str(tmp_path / weights), tmp_path)) == kind
    with ExitStack() as stack:
        step, preload = _model(stack, "mine", str(tmp_path / weights), lambda line: None)
    inside = [entry for entry in step.entries if entry.source is not None]
    assert [str(entry.path) for entry in inside] == [f"/model/mine/{name}" for name in expected]
    assert [entry.source for entry in inside] == [tmp_path / (weights if name == "model.gguf" else name) for name in expected]
    found = parse_preload(preload)
    assert (found.name, found.paths, kind_of(found)) == ("mine", (f"/model/mine/{expected[0]}",), kind)
    assert RunSettings.of_labels(RunSettings((preload,)).labels).preload == (preload,)


def test_what_an_app_calls_its_models(tmp_path: Path) -> None:
    file = tmp_path / "a=b.gguf"
    file.write_text("GGUF")
    pinned = "pypi://some-model==1.0/model.gguf"
    assert named_models(["tiny", f"mine={pinned}", str(file)]) == {"tiny": "tiny", "mine": pinned, "a=b": str(file)}
    for wrong in (["tiny", "tiny"], ["hf://owner/name"], [pinned]):
        with pytest.raises(InputError, match=r"twice, expected each once|expected one without : and /"):
            named_models(wrong)
