"""What a Dockerfile and a wherry.toml both come to: the layers to make, and how the image is to be run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from wherry.oci.layer import Entry


@dataclass(frozen=True)
class Step:
    """A line of the image's history, and the layer that it makes, if any."""

    created_by: str
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """`place` names where it was read, for errors; `exposed_ports` as "8080/tcp"; `name` is the image's own, where it has one."""

    place: str
    steps: tuple[Step, ...]
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    exposed_ports: tuple[str, ...] = ()
    name: str = ""

    @property
    def files(self) -> set[PurePosixPath]:
        """Every path that is no folder."""
        return {entry.path for step in self.steps for entry in step.entries if not entry.is_folder}


@dataclass(frozen=True)
class Bundle:
    """What lets an image run by itself: files below everything else, the command that runs a guest with them, variables."""

    entries: tuple[Entry, ...]
    command: tuple[str, ...]
    env: Mapping[str, str]
