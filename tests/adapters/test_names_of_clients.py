"""Names that clients make up: nothing in the process grows with them once the bounded caches are full.

Every container of the process that is there when the caches are full is looked at, those of libraries too. A container
that is made later is no leak: what grows with names has been made for the first of them. What grows once only, such as
the modules that Python has imported, does not grow with names either.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from core.kit import JSON_HEADERS
from penstock import Drivers, Settings, build
from penstock.http import Request
from penstock.limits import Limits
from penstock.service import Service
from penstock.settings import UpstreamSettings
from penstock_adapters.http_client import HttpTransport
from penstock_adapters.http_client.pool import Pool
from penstock_adapters.http_client.replies import IncomingReply
from penstock_adapters.prompts import PromptFolder
from requirements import shows

LIMITS = Limits(noted_models_max=100, request_cache_bytes_max=64 * 2**10)
"""Small ones, so that few names fill the caches."""
FILLING = 1_100
"""More names than any bounded cache has entries under these limits."""
NAMES = 400
"""The names after them, which no cache has room for."""
GROWN = 100
"""Fewer entries than those names would add; the pool of random ids changes by less."""
ANSWER = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'


class Answers:
    """A connection that answers whatever is asked, and remembers nothing."""

    def ask(self, pieces: list[bytes]) -> IncomingReply:
        reply = IncomingReply(self, asyncio.get_running_loop().create_future)
        reply.status, reply.headers = 200, {"content-type": "application/json"}
        reply.pieces.append(ANSWER)
        reply.has_head = reply.has_ended = True
        return reply

    def resume(self) -> None:
        """It never paused."""

    def drop(self) -> None:
        """Nothing is held."""


def take_unused(pool: Pool) -> Answers:
    return Answers()


def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, **upstream: Any) -> Service:
    monkeypatch.setattr(Pool, "take_unused", take_unused)
    behind = UpstreamSettings(name="behind", url="http://127.0.0.1:1/v1", **upstream)
    settings = Settings(upstreams=[behind], store="none://", prompts=str(tmp_path), limits=LIMITS)
    return build(settings, Drivers(connect=HttpTransport, open_prompts=PromptFolder))


def asked(name: str, body: dict[str, Any]) -> Request:
    headers = JSON_HEADERS | {f"x-{name}": name, "x-request-id": name, "authorization": f"Bearer {name}"}
    return Request(method="POST", path="/v1/responses", headers=headers, body=json.dumps(body).encode())


def a_model(name: str) -> Request:
    tool = {"type": "function", "name": name, "parameters": {"type": "object", "properties": {name: {}}}}
    text = {"input": name, "metadata": {name: name}, "prompt_cache_key": name, "user": name, name: name}
    return asked(name, {"model": name, "tools": [tool], **text})


def a_prompt(name: str) -> Request:
    return asked(name, {"model": "m", "prompt": {"id": name, "version": name}})


def a_relay(name: str) -> Request:
    body = json.dumps({"model": name, "messages": []}).encode()
    return Request(method="POST", path="/v1/chat/completions", headers=JSON_HEADERS, body=body)


def an_id(name: str) -> Request:
    return Request(method="GET", path=f"/v1/responses/{name}", query=f"{name}={name}", headers={"accept": name})


def a_path(name: str) -> Request:
    return Request(method="GET", path=f"/v1/{name}/{name}", headers={})


def a_host(name: str) -> Request:
    return Request(method=name, path="/v1/models", headers={"host": name, "origin": f"http://{name}"})


KINDS: dict[str, tuple[Callable[[str], Request], dict[str, Any]]] = {
    "models": (a_model, {}),
    "prompts": (a_prompt, {}),
    "relays": (a_relay, {}),
    "ids": (an_id, {"dialect": "responses", "state": "upstream"}),
    "paths": (a_path, {}),
    "hosts": (a_host, {}),
}


def containers() -> dict[int, tuple[int, Any]]:
    """Every container of the process, with its length; untracked ones too."""
    found: dict[int, tuple[int, Any]] = {}
    for owner in gc.get_objects():
        for each in [owner, *gc.get_referents(owner)]:
            if isinstance(each, dict | set | list | deque):
                found[id(each)] = len(each), each
    return found


async def drained(service: Service, request: Request) -> None:
    reply = await service.handle(request)
    if not isinstance(reply.body, bytes):
        async for _ in reply.body:
            pass
        await reply.body.aclose()


async def ask_all(services: dict[str, Service], numbers: range) -> None:
    """Ask each service with so many names, which begin with its kind."""
    for kind, under_test in services.items():
        make, _ = KINDS[kind]
        for number in numbers:
            await drained(under_test, make(f"{kind}{number:06}"))


@shows("bounded-caches")
def test_names_of_clients_are_not_remembered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """All kinds together: looking at every container takes seconds in a large process."""
    caplog.set_level(logging.CRITICAL, "penstock")  # pytest remembers each line
    services = {kind: service(monkeypatch, tmp_path, **upstream) for kind, (_, upstream) in KINDS.items()}
    asyncio.run(ask_all(services, range(FILLING)))
    grown: set[int] | None = None
    for start in (FILLING, FILLING + NAMES):
        known = containers()
        asyncio.run(ask_all(services, range(start, start + NAMES)))
        longer = {id(each) for length, each in known.values() if len(each) > length + GROWN and each is not known}
        grown = longer if grown is None else grown & longer
    assert not [sorted(map(str, list(each)[:3])) for _, each in known.values() if id(each) in (grown or ())]
