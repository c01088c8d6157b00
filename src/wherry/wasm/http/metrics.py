"""What a server counts, for Prometheus."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}  # any other is "other": clients choose no names here
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_FACTORS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 5)


class Usage(Protocol):
    """Tokens of an answer; cached: of the prompt, those that were not read again."""

    @property
    def prompt(self) -> int: ...

    @property
    def completion(self) -> int: ...

    @property
    def cached(self) -> int: ...


@dataclass(frozen=True)
class _Memory(Collector):
    bytes_in_use: Callable[[], Mapping[str, int]]

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("wherry_gpu_memory_bytes", "Buffers that a graph holds on its GPU", labels=["graph"])
        for graph, size in self.bytes_in_use().items():
            family.add_metric([graph], size)
        yield family


class Metrics:
    """One server's, in a registry of its own. Any thread may call it."""

    def __init__(self) -> None:
        r = self._registry = CollectorRegistry()
        http = "wherry_http_"
        self._requests = Counter(f"{http}requests", "Requests; 499: the client left", ["method", "status"], registry=r)
        self._seconds = Histogram(
            f"{http}request_seconds", "From a request's head to its answer's end", ["method"], buckets=_SECONDS, registry=r
        )
        self._received = Counter(f"{http}received_bytes", "Bodies of requests", registry=r)
        self._sent = Counter(f"{http}sent_bytes", "Bodies of answers", registry=r)
        self._running = Gauge(f"{http}running", "Requests that are being answered", registry=r)
        self._waiting = Gauge(f"{http}waiting", "Requests in the queue", registry=r)
        graph = "wherry_graph_"
        self._heard = Counter(f"{graph}transcripts", "Recordings written down", ["graph"], registry=r)
        self._sound = Counter(f"{graph}audio_seconds", "Their sound", ["graph"], registry=r)
        self._work = Counter(f"{graph}compute_seconds", "What all took, turns that others had included", ["graph"], registry=r)
        self._tokens = Counter(f"{graph}tokens", "Tokens of transcripts and answers", ["graph"], registry=r)
        self._answers = Counter(f"{graph}answers", "Texts that a language model made", ["graph"], registry=r)
        self._prompts = Counter(f"{graph}prompt_tokens", "Tokens of their prompts", ["graph"], registry=r)
        self._cached = Counter(f"{graph}cached_tokens", "Of them, those known from other texts", ["graph"], registry=r)
        self._first = Histogram(
            f"{graph}first_piece_seconds", "From an answer's begin to its first piece", ["graph"], buckets=_SECONDS, registry=r
        )
        self._factor = Histogram(
            f"{graph}real_time_factor", "Seconds taken for a second of sound", ["graph"], buckets=_FACTORS, registry=r
        )

    def watch_queue(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        self._running.set_function(running)
        self._waiting.set_function(waiting)

    def watch_instances(self, started: Callable[[], int], live: Callable[[], int], left_behind: Callable[[], int]) -> None:
        """Of the app: so far, now, and of those that live, how many do not end."""
        names = {"started": started, "live": live, "left_behind": left_behind}
        for name, count in names.items():
            Gauge(f"wherry_instances_{name}", f"Instances of the app: {name}", registry=self._registry).set_function(count)

    def answered(self, method: str, status: int, seconds: float, received: int, sent: int) -> None:
        known = method if method in _METHODS else "other"
        self._requests.labels(known, str(status)).inc()
        self._seconds.labels(known).observe(seconds)
        self._received.inc(received)
        self._sent.inc(sent)

    def heard(self, graph: str, sound: float, seconds: float, tokens: int) -> None:
        """`graph` wrote down `sound` seconds in `seconds`. Graphs are those that the server was started with."""
        self._heard.labels(graph).inc()
        self._sound.labels(graph).inc(sound)
        self._work.labels(graph).inc(seconds)
        self._tokens.labels(graph).inc(tokens)
        if sound > 0:
            self._factor.labels(graph).observe(seconds / sound)

    def said(self, graph: str, usage: Usage, first: float, seconds: float) -> None:
        """A language model made an answer in `seconds`, its first piece after `first`."""
        self._answers.labels(graph).inc()
        self._prompts.labels(graph).inc(usage.prompt)
        self._cached.labels(graph).inc(usage.cached)
        self._tokens.labels(graph).inc(usage.completion)
        self._work.labels(graph).inc(seconds)
        self._first.labels(graph).observe(first)

    def watch_memory(self, bytes_in_use: Callable[[], Mapping[str, int]]) -> None:
        """By graph: those that are loaded now."""
        self._registry.register(_Memory(bytes_in_use))

    def text(self) -> bytes:
        return generate_latest(self._registry)
