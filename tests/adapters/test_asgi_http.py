"""The hub in HTTP hosts: what is asked of a head before any of the body is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from penstock import Limits, Secret, Settings, build
from penstock_adapters.asgi import AsgiApp
from requirements import shows

Message = MutableMapping[str, Any]

JSON_HEADERS = {"host": "localhost", "authorization": "Bearer sk-one", "content-type": "application/json"}
BYTES_MAX = 1_000
SETTINGS = Settings(api_keys=[Secret("sk-one")], limits=Limits(body_bytes_max=BYTES_MAX))


class Host:
    """An ASGI server with one request, which counts how often its body is asked for."""

    def __init__(self, *pieces: bytes, method: str = "POST", path: str = "/v1/responses", **headers: str) -> None:
        self.pieces = list(pieces)
        self.asked = 0
        self.sent: list[Message] = []
        given = JSON_HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
        fields = [(name.encode(), value.encode()) for name, value in given.items() if value]
        self.scope = {"type": "http", "method": method, "path": path, "headers": fields}

    def answer(self, settings: Settings = SETTINGS) -> tuple[int, bytes]:
        asyncio.run(asyncio.wait_for(AsgiApp(build(settings))(self.scope, self.receive, self.send), 10))
        return self.sent[0]["status"], b"".join(message["body"] for message in self.sent[1:])

    async def receive(self) -> Message:
        self.asked += 1
        if not self.pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self.pieces.pop(0), "more_body": bool(self.pieces)}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


REFUSED: dict[str, tuple[int, dict[str, str]]] = {
    "no key": (401, {"authorization": ""}),
    "a wrong key": (401, {"authorization": "Bearer sk-two"}),
    "no route": (404, {"path": "/v1/nowhere"}),
    "no such id": (404, {"path": "/v1/conversations/a b"}),
    "another method": (405, {"path": "/v1/models"}),
    "another type": (415, {"content_type": "text/plain"}),
    "too long": (413, {"content_length": str(BYTES_MAX + 1)}),
    "far too long": (413, {"content_length": "9" * 5_000}),
    "an upgrade": (426, {"upgrade": "websocket"}),
    "a preflight": (204, {"method": "OPTIONS", "authorization": ""}),
}


@shows("key-first")
@pytest.mark.parametrize("name", REFUSED)
def test_a_head_is_refused_before_the_body_is_read(name: str) -> None:
    status, given = REFUSED[name]
    host = Host(b"x" * BYTES_MAX, b"x" * BYTES_MAX, **given)
    assert (host.answer()[0], host.asked) == (status, 0)


def test_a_body_is_read_no_further_than_it_may_be_long() -> None:
    host = Host(b" " * BYTES_MAX, b" ", b" ")
    assert (host.answer()[0], host.asked) == (413, 2)


@pytest.mark.parametrize("pieces", [(b'{"input": "Hi"}',), (b'{"inp', b"", b'ut": "Hi"', b"}")])
def test_a_body_comes_in_any_pieces(pieces: tuple[bytes, ...]) -> None:
    status, body = Host(*pieces).answer()
    assert (status, json.loads(body)["status"]) == (200, "completed")


def test_a_client_that_disconnects_in_the_middle_of_its_body() -> None:
    host = Host(b'{"input": "Hi"')
    host.pieces.append(b"")
    host.receive = _leaving(host.receive)  # type: ignore[method-assign]
    assert host.answer()[0] == 499


def _leaving(receive: Any) -> Any:
    async def leave() -> Message:
        message: Message = await receive()
        return message if message.get("body") else {"type": "http.disconnect"}

    return leave


def test_a_header_that_comes_twice_is_a_list() -> None:
    """So that no host can be local and another one at once."""
    host = Host(b'{"input": "Hi"}')
    host.scope["headers"] = [*host.scope["headers"], (b"host", b"localhost")]  # type: ignore[misc]
    assert host.answer(Settings())[0] == 403
