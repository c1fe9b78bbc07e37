"""Hosts that start and end the app again and again: for each request, side by side, each time in a new event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest

from conformance.engines import ENGINES, ENVIRONMENT, Engine
from memory.cluster import begun, url_of
from penstock.limits import Limits
from penstock.settings import Settings
from penstock.settings.structs import UpstreamSettings
from penstock_adapters.starlette import create_app
from requirements import shows
from support.upstream import ScriptedUpstream

Json = dict[str, Any]
Message = MutableMapping[str, Any]
App: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


IN_WORKERS = ("d1", "kv")
"""Engines that only a Worker reaches."""


@pytest.fixture(scope="module", params=[None, *(name for name in ENGINES if name not in IN_WORKERS)])
def store(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The URL of a store, of each engine; None without any."""
    if request.param in (None, "memory"):
        yield request.param and "memory://"
        return
    engine: Engine = begun(ENGINES[request.param]())
    yield url_of(engine, engine.location())
    engine.stop()


@pytest.fixture
def app(upstream: ScriptedUpstream, store: str | None, monkeypatch: pytest.MonkeyPatch) -> App:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    one = UpstreamSettings(name="one", url=upstream.url)
    return create_app(Settings(upstreams=[one], store=store, limits=Limits(background_runs_max=1)))


@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[None]:
    """A host's start and end of the app."""
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan", "asgi": {}, "state": {}}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    yield
    await to_app.put({"type": "lifespan.shutdown"})
    assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
    await running


async def ask(app: App, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    """One request, as an ASGI host hands it over."""
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": method, "path": f"/v1{path}", "query_string": b"", "headers": headers}
    arriving = [{"type": "http.request", "body": json.dumps(body).encode() if body else b""}]
    sent: list[Message] = []

    async def receive() -> Message:
        return arriving.pop() if arriving else await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message["body"] for message in sent[1:]))


async def status_of(app: App, response_id: str, beyond: tuple[str, ...]) -> str:
    """The first status of a background response that is none of these."""
    for _ in range(500):
        _, response = await ask(app, "GET", f"/responses/{response_id}")
        if response["status"] not in beyond:
            return str(response["status"])
        await asyncio.sleep(0.02)
    raise AssertionError(f"still {response['status']}")


async def ask_alone(app: App, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    """A request with a start and an end of its own."""
    async with lifespan(app):
        return await ask(app, method, path, body)


def later(main: Any) -> Any:
    """In an event loop of its own."""
    return asyncio.run(asyncio.wait_for(main, 30))


@shows("starts-again")
def test_a_lifespan_for_each_request(app: App, store: str | None) -> None:
    """A chain over requests that each have a lifespan, and an event loop, of their own."""
    previous: str | None = None
    for number in range(4):
        body = {"model": "text", "input": str(number), "previous_response_id": previous}
        status, response = later(ask_alone(app, "POST", "/responses", body))
        assert (status, response.get("status")) == (200, "completed"), response
        previous = response["id"] if store else None
    if store:
        status, page = later(ask_alone(app, "GET", f"/responses/{previous}/input_items"))
        assert (status, len(page["data"])) == (200, 7)


@shows("starts-again")
def test_lifespans_that_overlap(app: App) -> None:
    """Of requests side by side in one loop: the end of one is no end of the others."""

    async def side_by_side() -> list[tuple[int, Json]]:
        asked = [ask_alone(app, "POST", "/responses", {"model": "slow", "input": "Hi"}) for _ in range(4)]
        return await asyncio.gather(ask_alone(app, "GET", "/models"), *asked)

    for _ in range(2):
        assert [status for status, _ in later(side_by_side())] == [200] * 5


@shows("starts-again")
def test_what_waits_when_the_service_ends_runs_when_it_begins_again(app: App, store: str | None) -> None:
    """And what ran has failed: there is no such thing as half a stream."""

    async def begin() -> list[str]:
        async with lifespan(app):
            asked = [{"model": model, "input": "Hi", "background": True} for model in ("hang_midway", "text")]
            made = [(await ask(app, "POST", "/responses", body))[1]["id"] for body in asked]
            await status_of(app, made[0], beyond=("queued",))
            return made

    async def go_on(made: list[str]) -> list[str]:
        async with lifespan(app):
            return [await status_of(app, one, beyond=("queued", "in_progress")) for one in made]

    if store is not None:
        assert later(go_on(later(begin()))) == ["failed", "completed"]


@shows("starts-again", "drained-in-order")
def test_a_drain_ends_with_the_service(app: App) -> None:
    async def drain() -> list[int]:
        async with lifespan(app):
            before, _ = await ask(app, "GET", "/readyz")
            app.state.drain(5.0)  # type: ignore[attr-defined]
            draining, _ = await ask(app, "GET", "/readyz")
        after, _ = await ask_alone(app, "GET", "/readyz")
        return [before, draining, after]

    assert later(drain()) == [200, 503, 200]
