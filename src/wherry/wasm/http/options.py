"""How a server is set up."""

from dataclasses import dataclass, field

from wherry.wasm.http.protocol import Patience


@dataclass(frozen=True)
class ServerOptions:
    """threads: requests answered at once; `queue` more may wait, and the bodies of `uploads` more may be on their way.

    keys: one of them must come with each request, if there are any. metrics_key: opens /metrics and nothing else.
    origins: sites whose pages may send requests ("*": all). hosts: names of this server besides the loopback names ("*": all).
    proxies: addresses and networks of proxies whose X-Forwarded-For names the client.
    piece_seconds: for the next piece of a body to arrive.
    """

    host: str = "127.0.0.1"
    port: int = 8080  # 0: any that is free
    threads: int = 8
    queue: int = 64
    uploads: int = 256
    uploads_per_client: int = 64
    max_body_bytes: int = 64 << 20
    keys: tuple[str, ...] = ()
    metrics_key: str | None = None
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    piece_seconds: float = 30.0
    patience: Patience = field(default_factory=Patience)

    @property
    def places_per_client(self) -> int:
        """Requests of one client that run or wait: an eighth of the queue stays free for others."""
        return self.threads + self.queue - self.queue // 8

    @property
    def streams(self) -> int:
        """Bodies that stream to the app: slow clients hold instances meanwhile, never more than half."""
        return max(1, self.threads // 2)

    @property
    def streams_per_client(self) -> int:
        return max(1, self.threads // 4)

    @property
    def slow_readers_per_client(self) -> int:
        return max(1, self.threads // 2)
