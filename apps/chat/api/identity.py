"""What answers are known by."""

import hashlib
import random
import time

from wherry.guest import chat


def new_id(prefix: str) -> str:
    return f"{prefix}{random.getrandbits(120):030x}"


def now() -> int:
    """Unix time, seconds."""
    return int(time.time())


def fingerprint(model: chat.Model) -> str:
    """The same while a seed draws the same: of one model on one device."""
    return f"fp_{hashlib.sha256(f'{model.name} {model.device}'.encode()).hexdigest()[:10]}"
