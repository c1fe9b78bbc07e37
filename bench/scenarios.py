"""The table of the scenarios: what is asked, and of which servers. Adding one is one line."""

from dataclasses import dataclass, field

import orjson

from bench.agent_body import Json, agent_turn, prose
from bench.bodies import WORD_CHARS
from bench.servers import Server

SHORT: Json = {"input": "Count."}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question put to every server of a list, of which the first is the `baseline`: others are measured by it."""

    name: str
    title: str
    model: str
    stream: bool
    servers: tuple[str, ...]
    deltas: int = 200
    store: bool = False
    ask: Json = field(default_factory=lambda: SHORT)
    """The request, but for its model, `store` and `stream`."""
    connections: int | None = None
    """How many there are, whatever the command line sets."""
    family: str = ""
    """What it has a size of: the scenarios of a family differ in that alone."""
    size: int = 0

    @property
    def baseline(self) -> str:
        """The name of the server that others are measured by."""
        return self.servers[0]

    def body(self, server: Server) -> bytes:
        """Return the request to that server."""
        request = self.ask | {"model": server.model_for(self.model), "store": self.store}
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
        "agent",
        "a coding agent's turn, a body of 81 kB, answered as JSON",
        "json-200",
        False,
        ("bare", "penstock", "penstock-relay"),
        ask=agent_turn(),
    ),
    Scenario(
        "agent-stored",
        "the same turn, stored",
        "json-200",
        False,
        ("penstock", "penstock-sqlite"),
        store=True,
        ask=agent_turn(),
    ),
    Scenario(
        "one-json",
        "one client and one request at a time, JSON: the latency that a server adds to its upstream's",
        "json-200",
        False,
        ("upstream-itself", "tcp-relay", "penstock"),
        connections=1,
    ),
    Scenario(
        "one-stream",
        "one client and one stream of 20 deltas at a time: how much later its first token comes",
        "stream-20",
        True,
        ("upstream-itself", "tcp-relay", "penstock"),
        deltas=20,
        connections=1,
    ),
    Scenario(
        "turns",
        "turns of 200 deltas, ten per write, by SSE and by WebSocket (one message per event)",
        "stream-200x10",
        True,
        ("penstock", "penstock-websocket"),
        connections=16,
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
    Scenario(
        "seen",
        "JSON reply of 200 words, without metrics and access lines, with metrics, and with both",
        "json-200",
        False,
        ("penstock-unseen", "penstock", "penstock-seen"),
    ),
    Scenario(
        "seen-stream",
        "stream of 200 deltas, each its own write, without metrics and access lines, with metrics, and with both",
        "stream-200",
        True,
        ("penstock-unseen", "penstock", "penstock-seen"),
    ),
    Scenario(
        "synthetic-long",
        "stream of 2,000 tokens of the synthetic model, as fast as it can",
        "stream-2000",
        True,
        ("penstock-2000-tokens",),
        deltas=2_000,
        connections=16,
    ),
    *(
        Scenario(
            f"reply-{words}",
            f"JSON reply of {words:,} words",
            f"json-{words}",
            False,
            ("tcp-relay", "penstock"),
            deltas=words,
            family="JSON reply, words",
            size=words,
        )
        for words in (20, 200, 2_000)
    ),
    *(
        Scenario(
            f"deltas-{deltas}",
            f"stream of {deltas:,} deltas, ten per write",
            f"stream-{deltas}x10",
            True,
            ("tcp-relay", "penstock"),
            deltas=deltas,
            family="stream, deltas",
            size=deltas,
        )
        for deltas in (20, 200, 2_000)
    ),
    *(
        Scenario(
            f"body-{kilobytes}k",
            f"a request of {kilobytes} kB, answered as JSON",
            "json-200",
            False,
            ("tcp-relay", "penstock"),
            ask={"input": prose(kilobytes * 1_000)},
            family="request, kB",
            size=kilobytes,
        )
        for kilobytes in (1, 10, 100)
    ),
)
