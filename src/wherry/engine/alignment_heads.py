"""Which cross-attention heads follow the time of the words: published with each model, (layer, head)."""

from collections.abc import Mapping

from wherry.models.whisper import WhisperDims

Heads = tuple[tuple[int, int], ...]

# (encoder layers, decoder layers, mel bins, multilingual) -> "layer.head …"; large (v1) shares large-v2's sizes.
_PUBLISHED = {
    (4, 4, 80, False): "1.0 2.0 2.5 3.0 3.1 3.2 3.3 3.4",
    (4, 4, 80, True): "2.2 3.0 3.2 3.3 3.4 3.5",
    (6, 6, 80, False): "3.3 4.7 5.1 5.5 5.7",
    (6, 6, 80, True): "3.1 4.2 4.3 4.7 5.1 5.2 5.4 5.6",
    (12, 12, 80, False): "6.6 7.0 7.3 7.8 8.2 8.5 8.7 9.0 9.4 9.8 9.10 10.0 10.1 10.2 10.3 10.6 10.11 11.2 11.4",
    (12, 12, 80, True): "5.3 5.9 8.0 8.4 8.7 8.8 9.0 9.7 9.9 10.5",
    (
        24,
        24,
        80,
        False,
    ): "11.4 14.1 14.12 14.14 15.4 16.0 16.4 16.9 17.12 17.14 18.7 18.10 18.15 20.0 20.3 20.9 20.14 21.12",
    (24, 24, 80, True): "13.15 15.4 15.15 16.1 20.0 23.4",
    (
        32,
        32,
        80,
        True,
    ): "10.12 13.17 16.11 16.12 16.13 17.15 17.16 18.4 18.11 18.19 19.11 21.2 21.3 22.3 22.9 22.12 23.5 "
    "23.7 23.13 25.5 26.1 26.12 27.15",
    (32, 32, 128, True): "7.0 10.17 12.18 13.12 16.1 17.14 19.11 21.4 24.1 25.6",
    (32, 4, 128, True): "2.4 2.11 3.3 3.6 3.11 3.14",
}


def alignment_heads(dims: WhisperDims, metadata: Mapping[str, object]) -> Heads:
    """From the model's own configurations where one names them, else the published ones, else the upper half of all.

    None where the words' times cannot be told: what the configuration names is not in the model (it is that of the model
    which this one was distilled from), or the model was distilled and nothing names any.
    """
    for source in (metadata, metadata.get("config"), metadata.get("generation_config")):
        named = source.get("alignment_heads") if isinstance(source, Mapping) else None
        if named is not None:
            return _usable(named, dims)
    key = (dims.n_audio_layer, dims.n_text_layer, dims.n_mels, dims.n_vocab >= 51865)
    if key in _PUBLISHED:
        pairs = (pair.split(".") for pair in _PUBLISHED[key].split())
        return tuple((int(layer), int(head)) for layer, head in pairs)
    if dims.n_text_layer < dims.n_audio_layer:
        return ()
    half = range(dims.n_text_layer // 2, dims.n_text_layer)
    return tuple((layer, head) for layer in half for head in range(dims.n_text_head))


def _usable(named: object, dims: WhisperDims) -> Heads:
    """All of them, or none."""
    heads = []
    for pair in named if isinstance(named, list) else []:
        match pair:
            case [int(layer), int(head)] if 0 <= layer < dims.n_text_layer and 0 <= head < dims.n_text_head:
                heads.append((layer, head))
            case _:
                return ()
    return tuple(heads)
