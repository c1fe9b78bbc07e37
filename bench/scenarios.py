"""The table of the scenarios: what is asked, and of which servers. Adding one is one line."""

from dataclasses import dataclass

import orjson

from bench.bodies import WORD_CHARS


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question put to every server of a list, of which the first is the `floor`: others are measured by it."""

    name: str
    title: str
    model: str
    stream: bool
    servers: tuple[str, ...]
    deltas: int = 200
    store: bool = False
    connections: int | None = None
    """How many there are, whatever the command line says."""

    @property
    def floor(self) -> str:
        """The name of the server that others are measured by."""
        return self.servers[0]

    def body(self, model: str | None) -> bytes:
        """Return the request; `model` is the server's own, where it has one."""
        request = {"model": model or self.model, "input": "Count.", "store": self.store}
        return orjson.dumps(request | {"stream": True} if self.stream else request)

    @property
    def text_chars(self) -> int:
        """The exact length of a good reply's text."""
        return self.deltas * WORD_CHARS


SCENARIOS = (
    Scenario(
        "json",
        "JSON reply of 200 words",
        "json-200",
        False,
        ("bare", "penstock", "penstock-relay", "penstock-synthetic"),
    ),
    Scenario(
        "json-stored",
        "the same, stored (`penstock-sqlite`: a durable commit before each reply)",
        "json-200",
        False,
        ("penstock", "penstock-sqlite", "penstock-memory"),
        store=True,
    ),
    Scenario(
        "stream",
        "stream of 200 deltas, the upstream writes each on its own, as fast as it can",
        "stream-200",
        True,
        ("bare-each", "bare", "penstock", "penstock-relay", "penstock-synthetic"),
    ),
    Scenario(
        "stream-batched",
        "stream of 200 deltas, the upstream writes ten at a time",
        "stream-200x10",
        True,
        ("bare-each", "bare", "penstock", "penstock-relay"),
    ),
    Scenario(
        "stream-paced",
        "many streams of 200 deltas, one every 5 ms each (the pace bounds the rate: read the CPU columns)",
        "stream-200-5ms",
        True,
        ("bare-each", "penstock"),
    ),
    Scenario(
        "lone-chunk",
        "four streams of 200 deltas, one every 5 ms each, never two at a time: the server sleeps before each chunk",
        "stream-200-5ms",
        True,
        ("tcp-relay", "penstock", "penstock-relay"),
        connections=4,
    ),
)
