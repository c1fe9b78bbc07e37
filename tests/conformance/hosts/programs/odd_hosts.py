"""ASGI apps that call the app as unusual hosts do: with the least of a scope, or with a lifespan for each request."""

from __future__ import annotations

import asyncio
from typing import Any

from penstock_adapters.starlette import app_from_environment

LEAST = ("type", "http_version", "method", "path", "query_string", "headers")

app = app_from_environment()


async def bare(scope: Any, receive: Any, send: Any) -> None:
    await app({key: scope[key] for key in LEAST}, receive, send)


async def lifespan_per_request(scope: Any, receive: Any, send: Any) -> None:
    asked: asyncio.Queue[Any] = asyncio.Queue()
    answers: asyncio.Queue[Any] = asyncio.Queue()
    lifespan = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, asked.get, answers.put))
    asked.put_nowait({"type": "lifespan.startup"})
    assert (await answers.get())["type"] == "lifespan.startup.complete"
    try:
        await app(scope, receive, send)
    finally:
        asked.put_nowait({"type": "lifespan.shutdown"})
        assert (await answers.get())["type"] == "lifespan.shutdown.complete"
        await lifespan
