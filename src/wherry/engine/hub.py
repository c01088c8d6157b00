"""Models on Hugging Face's hub: `hf://OWNER/NAME[@REVISION][/FILE]`, on PyPI `huggingface_hub`.

The library fetches, resumes, and finds the user's token and mirror (HF_TOKEN, HF_ENDPOINT). Here what a revision means is pinned
to its commit, the files that belong to a model are chosen, and each is compared with the digest that the hub states for it.
"""

import asyncio
import contextlib
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wherry.addresses import Boundary
from wherry.errors import DownloadError, InputError, NotFoundError

SCHEME = "hf://"
Say = Callable[[str], None]
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_ADDRESS = re.compile(
    rf"hf://(?P<repository>{_NAME}/{_NAME})(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._+-]{{0,99}}))?(?:/(?P<path>.+))?"
)
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "model.bin", "pytorch_model.bin", "model.mpk", "ggml-model.bin")
# What belongs to weights of each kind, beside them.
_BESIDE = re.compile(
    r"config\.json|generation_config\.json|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|vocabulary\.(?:txt|json)"
    r"|preprocessor_config\.json|chat_template\.jinja|1_Pooling/config\.json"
)
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_SPLIT = re.compile(r"(.+)-\d{5}-of-(\d{5})\.gguf")


@dataclass(frozen=True)
class HubAddress:
    """path: of the weights in the repository, None for those that are its only ones."""

    repository: str
    revision: str
    path: str | None


@dataclass(frozen=True)
class HubFile:
    """digest: sha256 of a large file; of a small one git's, a sha1 of its size and bytes."""

    path: str
    size: int
    digest: str


def parse_hub_address(text: str) -> HubAddress:
    """Raises InputError where `text` is no `hf://OWNER/NAME[@REVISION][/FILE]`."""
    match = _ADDRESS.fullmatch(text)
    if match is None or (match["path"] is not None and not _is_inside(match["path"])):
        raise InputError(
            f'address: found "{text[:200]}", expected hf://OWNER/NAME, optionally with @REVISION and /FILE',
            hint="for example hf://HuggingFaceTB/SmolLM2-135M-Instruct",
        )
    return HubAddress(match["repository"], match["revision"] or "main", match["path"])


def fetch_from_hub(address: HubAddress, cache: Path, *, endpoint: str | None = None, say: Say = lambda line: None) -> Path:
    """The weights of a model, in a folder with what belongs to them; what is there whole is not fetched again.

    endpoint: of another hub than the user's. Raises NotFoundError for a repository or a file that is not there, DownloadError
    where fetching fails or a digest is another one. Without a network the commit that was fetched last is taken.
    """
    with _within(endpoint):
        return _fetch_from_hub(address, cache, endpoint, say)


def _fetch_from_hub(address: HubAddress, cache: Path, endpoint: str | None, say: Say) -> Path:
    home = cache / "hub" / address.repository
    reference = home / f"ref-{address.revision}"
    try:
        commit, files = _listed(address, endpoint)
    except ConnectionError as error:
        if not reference.is_file():
            raise DownloadError(f"hf://{address.repository}: {error}", hint="check the network and HF_ENDPOINT") from error
        commit, weights = reference.read_text(encoding="utf-8").splitlines()
        kept = home / commit / (address.path or weights)
        if not kept.is_file():
            raise DownloadError(f"hf://{address.repository}: {error}", hint="check the network and HF_ENDPOINT") from error
        say(f"found no network: taking {address.repository} as it was fetched")
        return kept
    weights, chosen = choose(address, files)
    folder = home / commit
    _fetch(address, commit, [files[path] for path in chosen], folder, endpoint, say)
    reference.write_text(f"{commit}\n{weights}\n", encoding="utf-8")
    return folder / weights


def choose(address: HubAddress, files: Mapping[str, HubFile]) -> tuple[str, list[str]]:
    """The weights, and all that is to be fetched with them. Raises NotFoundError, which names what there is."""
    weights = address.path
    if weights is None:
        found = [name for name in _WEIGHTS if name in files]
        models = sorted({_SPLIT.sub(r"\1-00001-of-\2.gguf", name) for name in files if name.endswith(".gguf")})
        if not found and len(models) != 1:
            several = f"found {', '.join(models[:12])}" if models else "found no weights"
            hint = f"name one: hf://{address.repository}/{models[0]}" if models else f"expected one of {', '.join(_WEIGHTS)}"
            raise NotFoundError(f"hf://{address.repository}: {several}, expected one model", hint=hint)
        weights = found[0] if found else models[0]
    if weights not in files:
        named = ", ".join(sorted(name for name in files if PurePosixPath(name).suffix in (".gguf", ".safetensors", ".bin"))[:12])
        raise NotFoundError(f"hf://{address.repository}: found no {weights} in it, expected one of {named or 'its files'}")
    place = PurePosixPath(weights)
    if (piece := _SPLIT.fullmatch(weights)) is not None:
        return weights, [name for name in files if (other := _SPLIT.fullmatch(name)) and other.groups() == piece.groups()]
    if place.suffix == ".gguf":
        return weights, [weights]
    prefix = "" if str(place.parent) == "." else f"{place.parent}/"
    inside = {name.removeprefix(prefix): name for name in files if name.startswith(prefix)}
    beside = [name for short, name in inside.items() if _BESIDE.fullmatch(short)]
    shards = [name for short, name in inside.items() if _SHARD.fullmatch(short) and place.suffix == ".json"]
    return weights, sorted({*beside, *shards, weights})


def _listed(address: HubAddress, endpoint: str | None) -> tuple[str, dict[str, HubFile]]:
    """The commit that a revision is now, and its files. Raises ConnectionError where the hub does not answer."""
    from huggingface_hub import HfApi

    with _explained(address):
        found = HfApi(endpoint=endpoint).model_info(address.repository, revision=address.revision, files_metadata=True)
    commit, files = str(found.sha), {}
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise DownloadError(f"hf://{address.repository}: found the commit {commit[:80]!r}, expected 40 hexadecimal digits")
    for each in found.siblings or []:
        digest = each.lfs.sha256 if each.lfs is not None else each.blob_id
        if _is_inside(each.rfilename) and each.size is not None and digest:
            files[each.rfilename] = HubFile(each.rfilename, each.size, digest)
    return commit, files


def _fetch(address: HubAddress, commit: str, files: Sequence[HubFile], folder: Path, endpoint: str | None, say: Say) -> None:
    """Files that are there have their digests: none gets its name without."""
    missing = [file for file in files if not (folder / file.path).is_file()]
    if not missing:
        return
    size = sum(file.size for file in missing)
    cache = folder.parents[2]
    cache.mkdir(parents=True, exist_ok=True)
    if size > (free := shutil.disk_usage(cache).free):
        raise DownloadError(f"{cache}: the disk is too full: found {free} bytes free, expected {size}")
    say(f"fetching hf://{address.repository}@{commit[:12]} ({size / 1e6:.0f} MB)")
    coming = folder.with_name(f".{commit}")  # kept where it is broken off: the next try goes on there
    for file in missing:
        with _no_network_explained(address), _explained(address):
            path = _bring(address.repository, commit, file, coming / f"{file.digest}.part", endpoint)
        if (found := _digest(path, file)) != file.digest:
            path.unlink()
            raise DownloadError(
                f"hf://{address.repository}: {file.path}: found the digest {found}, expected {file.digest}",
                hint="the file was damaged or tampered with on its way: do not use it",
            )
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        path.replace(folder / file.path)
    shutil.rmtree(coming, ignore_errors=True)


def _bring(repository: str, commit: str, file: HubFile, part: Path, endpoint: str | None) -> Path:
    """The rest of a file: the library's own downloads begin anew in every process."""
    from urllib.parse import urlsplit

    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = hf_hub_url(repository, file.path, revision=commit, endpoint=endpoint)
    place = get_hf_file_metadata(url, endpoint=endpoint).location
    headers = build_hf_headers()
    if urlsplit(place).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # the token is the hub's, and no storage's
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as opened:
        begun = opened.tell()
        http_get(place, opened, resume_size=begun, headers=headers, expected_size=file.size, displayed_filename=file.path)
    return part


@contextlib.contextmanager
def _within(endpoint: str | None) -> Iterator[None]:
    """Each request of the library's, redirects included, goes to a public address, or to such as the hub itself has."""
    from urllib.parse import urlsplit

    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    hub = urlsplit(endpoint or constants.ENDPOINT).hostname or ""
    boundary, session = Boundary(hub), get_session()
    hooks = session.event_hooks

    def check(request: Any) -> None:
        if request.url.host != hub:
            asyncio.run(boundary.check(request.url.host))

    session.event_hooks = {**hooks, "request": [*hooks["request"], check]}
    try:
        yield
    finally:
        session.event_hooks = hooks


def _digest(path: Path, file: HubFile) -> str:
    """Of the kind that the hub states."""
    with path.open("rb") as opened:
        if len(file.digest) == 64:
            return hashlib.file_digest(opened, "sha256").hexdigest()
        found = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        while block := opened.read(1 << 20):
            found.update(block)
        return found.hexdigest()


@contextlib.contextmanager
def _explained(address: HubAddress) -> Iterator[None]:
    """The library's errors as ours; ConnectionError where nobody answers."""
    from huggingface_hub import errors

    place = f"hf://{address.repository}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise DownloadError(
            f"{place}: found a model that wants its terms accepted", hint="accept them on its page, then set HF_TOKEN"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise NotFoundError(f"{place}: found no such model", hint="check its name; a private one needs HF_TOKEN") from error
    except errors.RevisionNotFoundError as error:
        raise NotFoundError(f'{place}: found no revision "{address.revision}" of it') from error
    except errors.HfHubHTTPError as error:
        if error.response is None:
            raise ConnectionError(_first_line(error)) from error
        raise DownloadError(f"{place}: found status {error.response.status_code} ({_first_line(error)})") from error
    except (errors.HTTPError, OSError, ValueError) as error:  # type: ignore[attr-defined]
        raise ConnectionError(_first_line(error)) from error


@contextlib.contextmanager
def _no_network_explained(address: HubAddress) -> Iterator[None]:
    try:
        yield
    except ConnectionError as error:
        raise DownloadError(
            f"hf://{address.repository}: {error}", hint="run the same command again: it goes on where it stopped"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _is_inside(path: str) -> bool:
    """Whether a path stays in its folder, on every system."""
    parts = PurePosixPath(path).parts
    return bool(parts) and path == "/".join(parts) and not {"..", "."} & set(parts) and not re.search(r"[\\:\0]", path)
