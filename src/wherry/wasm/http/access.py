"""A line of JSON for every request that was answered."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from wherry.wasm.http.exchange import Request

_MAX_PATH = 2048  # characters: whoever asks for more fills no disk


@dataclass(frozen=True)
class Served:
    """A request that has been answered. status 499: the client left before. received, sent: bytes of the two bodies."""

    request: Request
    status: int
    seconds: float
    received: int
    sent: int


def access_line(served: Served) -> str:
    """Times are UTC. Headers stay out, but for the client's name of itself: they hold keys."""
    asked = served.request
    agent = next((value for name, value in asked.headers if name == "user-agent"), None)
    fields = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request": asked.id,
        "client": asked.client,
        "method": asked.method,
        "path": asked.target.partition("?")[0][:_MAX_PATH],  # queries may hold what is nobody's business
        "status": served.status,
        "seconds": round(served.seconds, 6),
        "received": served.received,
        "sent": served.sent,
        "agent": agent and agent[:256],
    }
    return json.dumps(fields)
