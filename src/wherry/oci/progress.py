"""What transfers tell whoever watches them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wherry.oci.image import Descriptor

State = Literal["waiting", "moving", "there", "mounted", "done"]


@dataclass(frozen=True)
class Step:
    """One blob's state: `waiting` for another process, `moving`, `there` already, `mounted` from another repository, `done`.

    `done` of `blob.size` bytes are over.
    """

    blob: Descriptor
    state: State
    done: int


Progress = Callable[[Step], None]  # called from the event loop: it should return soon


def unwatched(step: Step) -> None:
    """Nobody wants to know."""
