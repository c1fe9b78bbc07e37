"""Long steps are done in a thread: while a large request is worked on, others are answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from core.kit import JSON_HEADERS, Scripted, ScriptedReply, ask, service
from penstock.dialects.chat_completions import ChatCompletions, Options
from penstock.engine import RemoteUpstream
from penstock.engine.offload import LARGE_BYTES, offload
from penstock.errors import ApiError, invalid
from penstock.limits import Limits
from penstock.service import Service
from penstock.stores.memory import MemoryStore
from requirements import shows

LIMITS = Limits()
REPLY = b'{"choices":[{"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}'
LARGE = b'{"model":"any","input":"%b"}' % (b"x" * LARGE_BYTES)
ENCODED = JSON_HEADERS | {"content-encoding": "any"}
WAIT_S = 5.0


def built(decompress: Callable[[bytes, str, int], bytes] = lambda body, *_: body) -> Service:
    reply = ScriptedReply(REPLY, headers={"content-type": "application/json"})
    upstream = RemoteUpstream(ChatCompletions(Options(), LIMITS), Scripted(reply), LIMITS)
    return service(upstream, store=MemoryStore(), decompress=decompress)


def test_what_is_small_is_done_at_once_and_what_is_large_in_a_thread() -> None:
    here = threading.get_ident()
    assert asyncio.run(offload(LARGE_BYTES - 1, threading.get_ident)) == here
    assert asyncio.run(offload(LARGE_BYTES, threading.get_ident)) != here


@pytest.mark.parametrize("size", [0, LARGE_BYTES])
def test_an_error_is_raised_in_all_waiting_calls(size: int) -> None:
    def fail(message: str, *, param: str) -> None:
        raise invalid(message, param)

    with pytest.raises(ApiError, match="no") as caught:
        asyncio.run(offload(size, fail, "no", param="a"))
    assert caught.value.param == "a"


@shows("answers-meanwhile")
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("penstock.engine.engine", "decode"),
        ("penstock.engine.running.persistence", "ended_turn"),
        ("penstock.dialects.chat_completions", "to_body"),
    ],
)
def test_others_are_answered_while_a_step_takes_long(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> None:
    step: Any = getattr(import_module(module), name)
    begun, go_on = threading.Event(), threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        assert go_on.wait(WAIT_S), "nothing else was answered"
        return step(*args, **kwargs)

    monkeypatch.setattr(import_module(module), name, slow)
    assert asyncio.run(answered_meanwhile(built(), begun, go_on, JSON_HEADERS)) == 200


@shows("answers-meanwhile")
def test_others_are_answered_while_a_body_is_decompressed() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(body: bytes, encoding: str, bytes_max: int) -> bytes:
        begun.set()
        assert go_on.wait(WAIT_S), "nothing else was answered"
        return body

    assert asyncio.run(answered_meanwhile(built(slow), begun, go_on, ENCODED)) == 200


async def answered_meanwhile(
    service: Service, begun: threading.Event, go_on: threading.Event, headers: dict[str, str]
) -> int:
    """The status of a large request, in the middle of which another one was answered."""
    large = asyncio.ensure_future(ask(service, LARGE, headers=headers))
    assert await asyncio.to_thread(begun.wait, WAIT_S)
    alive = await ask(service, method="GET", path="/healthz")
    go_on.set()
    assert alive.status == 200
    return (await large).status
