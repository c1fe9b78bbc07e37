"""The hub in WebSocket hosts, which are not alike: some refuse without words, some raise when a client is gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from penstock import Settings, build
from penstock.http import Reply, Request, json_reply
from penstock.websocket import Channel
from penstock_adapters.asgi import CUT, SEND_ALL, AsgiApp
from requirements import shows

Message = MutableMapping[str, Any]

CONNECT: Message = {"type": "websocket.connect"}
LEFT: Message = {"type": "websocket.disconnect", "code": 1006}


def scope(path: str = "/v1/responses", **fields: Any) -> dict[str, Any]:
    return {"type": "websocket", "path": path, "headers": [(b"host", b"localhost")]} | fields


def served(app: AsgiApp, scope: dict[str, Any], *messages: Message, error: Exception | None = None) -> list[Message]:
    """What the app sends to a host that then hands over these messages; `error` is raised after the handshake."""
    waiting = list(messages)
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        if error is not None and message["type"] == "websocket.send":
            raise error
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def text(message: str) -> Message:
    return {"type": "websocket.receive", "text": message, "bytes": None}


@pytest.fixture
def app() -> AsgiApp:
    return AsgiApp(build(Settings()))


def test_an_error_reply_without_a_message(app: AsgiApp) -> None:
    assert served(app, scope("/v1/nothing"), CONNECT) == [{"type": "websocket.close", "code": 1008, "reason": ""}]


def test_an_error_reply_with_a_message(app: AsgiApp) -> None:
    start, body = served(app, scope("/v1/nothing", extensions={"websocket.http.response": {}}), CONNECT)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
    assert b"unknown_url" in body["body"]


def test_a_client_that_is_gone_at_once(app: AsgiApp) -> None:
    assert served(app, scope(), LEFT) == []


@pytest.mark.parametrize("binary", [True, False])
def test_messages_of_either_kind(app: AsgiApp, binary: bool) -> None:
    message = {"type": "websocket.receive", "bytes": b"[]"} if binary else text("[]")
    accept, error = served(app, scope(), CONNECT, message, LEFT)
    assert accept["type"] == "websocket.accept"
    assert error["text"].startswith('{"type":"error","status":400')


@shows("ws-one-write")
def test_a_host_that_takes_all_messages_of_a_batch_at_once(app: AsgiApp) -> None:
    """Each by itself goes to any other."""
    create = text('{"type": "response.create", "input": "Hi", "store": false}')

    async def result(**fields: Any) -> list[list[str]]:
        waiting, sends = [CONNECT, create], []
        over = asyncio.Event()

        async def receive() -> Message:
            if not waiting:
                await over.wait()
                return LEFT
            return waiting.pop(0)

        async def send(message: Message) -> None:
            texts = [one.decode() for one in message.get("texts", ())] or [message.get("text", "")]
            sends.append([json.loads(one)["type"] for one in texts if one])
            if sends[-1][-1:] == ["response.completed"]:
                over.set()

        await app(scope(**fields), receive, send)
        return [types for types in sends if types]

    one_by_one = asyncio.run(result())
    together = asyncio.run(result(extensions={SEND_ALL: {}}))
    assert {len(types) for types in one_by_one} == {1}
    assert together[0] == ["response.created", "response.in_progress"]
    assert [type for types in together for type in types] == [type for [type] in one_by_one]


@shows("synthetic-faults")
@pytest.mark.parametrize(
    ("extensions", "end"),
    [({CUT: {}}, {"type": CUT}), ({}, {"type": "websocket.close", "code": 1011, "reason": ""})],
)
def test_a_host_that_can_cut_a_connection(app: AsgiApp, extensions: dict[str, Any], end: Message) -> None:
    """Any other closes it as one that cannot go on."""
    create = text('{"type": "response.create", "model": "synthetic?disconnect_at=0", "input": "Hi", "store": false}')
    waiting, sent = [CONNECT, create], []
    over = asyncio.Event()

    async def receive() -> Message:
        if not waiting:
            await over.wait()
            return LEFT
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)
        if message == end:
            over.set()

    asyncio.run(asyncio.wait_for(app(scope(extensions=extensions), receive, send), 10))
    assert [message["type"] for message in sent] == ["websocket.accept", end["type"]]


@pytest.mark.parametrize("error", [OSError(), RuntimeError("it is closed")])
def test_a_host_that_raises_when_the_client_is_gone(app: AsgiApp, error: Exception) -> None:
    [accept] = served(app, scope(), CONNECT, text("[]"), text("[]"), LEFT, error=error)
    assert accept["type"] == "websocket.accept"


def test_a_bug_closes_what_was_accepted() -> None:
    class Broken:
        async def connect(self, request: Request, channel: Channel) -> Reply:
            await channel.accept([])
            return json_reply(b"{}", 500)

    app = AsgiApp(Broken())  # type: ignore[arg-type]
    _, close = served(app, scope(), CONNECT)
    assert (close["type"], close["code"]) == ("websocket.close", 1011)
