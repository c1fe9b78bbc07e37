"""A WebSocket client that checks what it receives, on the `websockets` package.

Knows which message belongs to which stream; what an event may contain, `oracle.py` knows.
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any

from openai.types.responses import ResponseSteerFailedEvent
from openai.types.responses.responses_server_event import ResponseWsError
from websockets.sync.client import connect

from support import oracle
from support.raw import TIMEOUT_S
from support.scripts import HELLO
from support.server import PenstockServer

Json = dict[str, Any]

TERMINAL = {"response.completed", "response.incomplete", "response.failed"}


class Talk:
    """One connection. Everything received is checked, and no message is lost between two streams."""

    def __init__(self, server: PenstockServer, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.socket = connect(
            f"ws{server.url.removeprefix('http')}/responses",
            additional_headers=named,
            max_size=None,
            open_timeout=TIMEOUT_S,
            close_timeout=1,
        ).__enter__()
        self.reported: dict[str | None, list[Json]] = {}
        """The events so far of each stream's response."""

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.socket.__exit__(kind, error, tb)

    def create(self, **body: Any) -> None:
        self.send({"type": "response.create", **body})

    def send(self, event: Any) -> None:
        self.socket.send(event if isinstance(event, str | bytes) else json.dumps(event))

    def receive(self, timeout_s: float = TIMEOUT_S) -> Json:
        """The next message."""
        message = self.socket.recv(timeout_s)
        assert isinstance(message, str)
        event: Json = json.loads(message)
        if "status" in event:
            return checked_error(event)
        if event["type"] == "response.steer.failed":
            oracle.check(ResponseSteerFailedEvent, event)
            return event
        result = self.reported.setdefault(event.pop("stream_id", None), [])
        if event["type"] != "response.created":
            assert "headers" not in event
        event.pop("headers", None)
        result.append(oracle.check_event(event))
        return json.loads(message)

    def begun(self, **body: Any) -> Json:
        """What the upstream `hang_midway` sends last before it sends nothing more."""
        self.create(**body)
        while (event := self.receive()).get("delta") != HELLO[-1]["choices"][0]["delta"]["content"]:
            assert "status" not in event, event
        return event

    def turn(self, **body: Any) -> list[Json]:
        """One response, from what is asked to its end."""
        self.create(**body)
        return self.end(body.get("stream_id"))

    def end(self, stream_id: str | None = None) -> list[Json]:
        """The events of a stream's response, as soon as it has ended."""
        while not self.reported.get(stream_id) or self.reported[stream_id][-1]["type"] not in TERMINAL:
            event = self.receive()
            assert "status" not in event, event
        events = self.reported.pop(stream_id)
        oracle.check_stream(events)
        return events

    def refused(self, event: Any) -> Json:
        """The error that a message is answered with."""
        self.send(event)
        return self.receive()


def checked_error(event: Json) -> Json:
    oracle.check(ResponseWsError, event)
    assert event["error"]["code"]
    assert 400 <= event["status"] < 600
    return event
