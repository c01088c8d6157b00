"""A line of the log for every request that was answered: text, or JSON."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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


def access_text(served: Served) -> str:
    """The same as one line for people. What a client wrote is quoted as JSON quotes it, so that it forges no second line."""
    fields = _fields(served)
    path, agent = json.dumps(fields["path"])[1:-1].replace(" ", "%20"), json.dumps(fields["agent"] or "-")
    return (
        f"{fields['time']} {fields['client']} {fields['method']} {path} {fields['status']} {fields['seconds']:.3f}s "
        f"received={fields['received']} sent={fields['sent']} agent={agent} request={fields['request']}"
    )


def access_line(served: Served) -> str:
    """Times are UTC. Headers stay out, but for the client's name of itself: they hold keys."""
    return json.dumps(_fields(served))


def _fields(served: Served) -> dict[str, Any]:
    asked = served.request
    agent = next((value for name, value in asked.headers if name == "user-agent"), None)
    return {
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
