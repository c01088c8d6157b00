"""How an image wants to be run: its labels `wherry.*`, and the variables of the same meaning.

Engines do not pass labels to a runtime, so a build writes both: `WASMEDGE_WASINN_PRELOAD` and `WHERRY_…` into the environment
of the image, unless it sets them itself. A variable wins over a label.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wherry.errors import InputError

PREFIX = "wherry."
PRELOAD_VARIABLE = "WASMEDGE_WASINN_PRELOAD"
_VARIABLES = {
    "preload": PRELOAD_VARIABLE,
    "device": "WHERRY_DEVICE",
    "memory": "WHERRY_MEMORY",
    "timeout": "WHERRY_TIMEOUT",
    "requests": "WHERRY_REQUESTS",
    "coarse-clock": "WHERRY_COARSE_CLOCK",
}
# What an image wants of the network is for whoever runs it to read: it has no variable, for none may grant it.
_FIELDS = ("preload", "publish", "device", "memory", "timeout", "requests", "coarse-clock", "allow-net")
_NEXT_PRELOAD = re.compile(r"\s+(?=[^\s:]+:\w+:(?:cpu|gpu|tpu|auto):)", re.IGNORECASE)
_PUBLISH = re.compile(r"(?:(?:[0-9.]+|\[[0-9a-fA-F:]+\]):)?(?:([0-9]{1,5}):)?([0-9]{1,5})(?:/tcp)?")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")
_MAX_HOSTS = 64
_MOST_REQUESTS = 256
_MEMORY = re.compile(r"[1-9][0-9]*(?:[bkmg]|[kmg]b)?", re.IGNORECASE)


@dataclass(frozen=True)
class RunSettings:
    """`preload` as `--nn-preload` takes it, `publish` as `--publish` ("8080:80"), `memory` ("512m"), `timeout` in seconds,
    `requests` answered at once, `coarse_clock` for clocks of a millisecond, `allow_net` the hosts that it would like to reach
    ("a.org:443").
    """

    preload: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    device: str | None = None
    memory: str | None = None
    timeout: float | None = None
    requests: int | None = None
    coarse_clock: bool = False
    allow_net: tuple[str, ...] = ()

    @classmethod
    def of_labels(cls, labels: Mapping[str, str]) -> "RunSettings":
        """Raises InputError for a value that is none, and for a `wherry.` label that nobody knows: it would be a mistyped one."""
        for name in labels:
            if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in _FIELDS:
                known = ", ".join(PREFIX + field for field in _FIELDS)
                raise InputError(f'label "{name}": expected one of {known}')
        return cls._of({field: labels[PREFIX + field] for field in _FIELDS if labels.get(PREFIX + field)}, 'label "wherry.{}"')

    @classmethod
    def of_image(cls, labels: Mapping[str, str], variables: Mapping[str, str]) -> "RunSettings":
        """What an image says altogether. Raises InputError as `of_labels`."""
        cls.of_labels(labels)
        said = {field: labels[PREFIX + field] for field in _FIELDS if labels.get(PREFIX + field)}
        said |= {field: variables[name] for field, name in _VARIABLES.items() if variables.get(name)}
        return cls._of(said, "image: {}")

    @property
    def variables(self) -> dict[str, str]:
        """The same as variables; published ports and hosts have none."""
        timeout = None if self.timeout is None else f"{self.timeout:g}"
        values = {"preload": " ".join(self.preload), "device": self.device, "memory": self.memory, "timeout": timeout}
        values |= {
            "requests": None if self.requests is None else str(self.requests),
            "coarse-clock": "true" if self.coarse_clock else None,
        }
        return {_VARIABLES[field]: value for field, value in values.items() if value}

    @property
    def labels(self) -> dict[str, str]:
        """The same as labels."""
        said = {field: value for field, name in _VARIABLES.items() if (value := self.variables.get(name))}
        if self.publish:
            said["publish"] = " ".join(self.publish)
        if self.allow_net:
            said["allow-net"] = " ".join(self.allow_net)
        return {PREFIX + field: said[field] for field in _FIELDS if field in said}

    @property
    def exposed_ports(self) -> tuple[str, ...]:
        """What the guest listens on: "80/tcp"."""
        return tuple(f"{_guest_port(text)}/tcp" for text in self.publish)

    @classmethod
    def _of(cls, said: Mapping[str, str], place: str) -> "RunSettings":
        publish = tuple(re.split(r"[\s,]+", said["publish"].strip())) if "publish" in said else ()
        for text in publish:
            if not _PUBLISH.fullmatch(text) or not 0 < int(_guest_port(text)) <= 65535:
                raise InputError(f'{place.format("publish")}: found "{text}", expected [IP:][HOST:]GUEST port numbers')
        memory = said.get("memory")
        if memory is not None and not _MEMORY.fullmatch(memory):
            raise InputError(f'{place.format("memory")}: found "{memory}", expected a size such as 512m or 2g')
        hosts = tuple(re.split(r"[\s,]+", said["allow-net"].strip())) if "allow-net" in said else ()
        for text in hosts:
            if len(hosts) > _MAX_HOSTS or not _HOST.fullmatch(text):
                raise InputError(
                    f'{place.format("allow-net")}: found "{text[:300]}", expected at most {_MAX_HOSTS} of HOST[:PORT]'
                )
        requests = said.get("requests", "1")
        if not (requests.isascii() and requests.isdecimal() and 1 <= int(requests[:9]) <= _MOST_REQUESTS):
            raise InputError(f'{place.format("requests")}: found "{requests}", expected 1 to {_MOST_REQUESTS}')
        coarse = said.get("coarse-clock", "false")
        if coarse not in ("true", "false"):
            raise InputError(f'{place.format("coarse-clock")}: found "{coarse}", expected true or false')
        return cls(
            split_preloads(said["preload"]) if "preload" in said else (),
            publish,
            said.get("device"),
            memory,
            _seconds(said["timeout"], place.format("timeout")) if "timeout" in said else None,
            int(requests) if "requests" in said else None,
            coarse == "true",
            hosts,
        )


def split_preloads(text: str) -> tuple[str, ...]:
    """Several preloads stand in one variable with blanks between; a path may have blanks of its own."""
    return tuple(_NEXT_PRELOAD.split(text.strip())) if text.strip() else ()


def _guest_port(text: str) -> str:
    return text.rpartition(":")[2].removesuffix("/tcp")


def _seconds(text: str, place: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e9:
        raise InputError(f'{place}: found "{text}", expected seconds')
    return seconds
