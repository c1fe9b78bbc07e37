"""A process that answers one request at a time, and reports what that cost: CPU time, and memory at its peak.

`Meter` starts it. Each request is answered in a fork of its own, so that none finds the memory of another; CPU time is
the fork's own, whatever else the machine does. The model is the built-in one, or an upstream that answers "ok" at once.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from support.server import ROOT, environment

SMALL = 1_000
"""The size of a first request, in bytes."""
MAIN = "import sys; from support.meter import main; main()"
CHAT = b'{"choices":[{"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}'
RESPONSE = b'{"id":"resp_1","status":"completed","model":"m","output":[]}'
WARM_UP = ("chat: calls", "responses: calls", "synthetic: calls", "synthetic answer: ways", "synthetic call: a pattern")
STATUS, PEAK_IS_RSS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Cost(NamedTuple):
    """What one request cost: the status of its reply, seconds of CPU, and bytes of memory beyond what was there."""

    status: int
    cpu_s: float
    memory_bytes: int
    body_bytes: int


class Meter:
    """`with Meter() as meter: meter.cost("a shape", 1_000)`."""

    def __enter__(self) -> Meter:
        env = environment()
        env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], str(ROOT / "tests")])
        command = [sys.executable, "-c", MAIN]
        self._process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(30) == 0

    def cost(self, shape: str, size: int) -> Cost:
        """What a request of that shape and size costs."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([shape, size]) + "\n")
        self._process.stdin.flush()
        result: Any = json.loads(self._process.stdout.readline())
        assert isinstance(result, list), result
        return Cost(*result)


# Within the process.


def main() -> None:
    """Answer what is read, line by line."""
    from core.work_shapes import SHAPES

    for name in WARM_UP:  # what is loaded when it is first wanted
        shape = SHAPES[name]
        asyncio.run(_answer(_service(shape.kind), shape.path, shape.body(SMALL)))
    gc.collect()
    gc.freeze()  # as the server does; or a full collection, at some size, would look at all that the process holds
    for line in sys.stdin:
        name, size = json.loads(line)
        shape = SHAPES[name]
        print(_forked(shape.kind, shape.path, shape.body(SMALL), shape.body(size)), flush=True)  # noqa: T201 - read by `Meter`


def _forked(kind: str, path: str, first: bytes, body: bytes) -> str:
    """What the child reports."""
    reading, writing = os.pipe()
    if not os.fork():
        output: Any
        try:
            output = asyncio.run(_measured(kind, path, first, body))
        except BaseException as error:  # it would be lost with the child
            output = repr(error)
        os.write(writing, json.dumps(output).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        output = pipe.read()
    os.wait()
    return output


async def _measured(kind: str, path: str, first: bytes, body: bytes) -> Cost:
    """What the request costs a service that has answered a small one: what a process takes once is no part of it."""
    service = _service(kind)
    await _answer(service, path, first)
    before = _begin_peak()
    began = time.process_time()
    status = await _answer(service, path, body)
    return Cost(status, time.process_time() - began, _peak() - before, len(body))


async def _answer(service: Any, path: str, body: bytes) -> int:
    """The status of the reply, which is read to its end."""
    from penstock.http import Request

    request = Request(
        method="POST",
        path=path,
        headers={"content-type": "application/json", "host": "localhost", "content-length": str(len(body))},
        body=body,
    )
    reply = await service.handle(request)
    if not isinstance(reply.body, bytes):
        async for _ in reply.body:
            """Nothing of it is judged here."""
        await reply.body.aclose()
    return reply.status


def _service(kind: str) -> Any:
    from penstock import Drivers, Settings, build
    from penstock.settings import UpstreamSettings

    upstream = UpstreamSettings(
        name="any", url="http://any/v1", models=["real"], aliases={"m": "real"}, dialect=_DIALECTS[kind]
    )
    settings = Settings(
        upstreams=[] if kind == "synthetic" else [upstream], model="synthetic" if kind == "synthetic" else "m", mcp="on"
    )
    drivers = Drivers(
        connect=lambda destination, limits: _Transport(kind),
        connect_mcp=lambda limits, egress: _Servers(),  # type: ignore[arg-type, return-value]
    )
    return build(settings, drivers)


_DIALECTS: dict[str, Any] = {"chat": "chat_completions", "responses": "responses", "synthetic": "chat_completions"}


class _Servers:
    """MCP servers without tools."""

    async def list_tools(self, server: Any, **limits: Any) -> Any:
        from penstock.tools.mcp.client import ToolList

        return ToolList(tools=[])

    async def aclose(self) -> None:
        """Nothing is open."""


class _Transport:
    """An upstream that answers every request alike."""

    def __init__(self, kind: str) -> None:
        self._body = RESPONSE if kind == "responses" else CHAT

    async def send(self, request: Any) -> Any:
        return _Reply(self._body)

    async def aclose(self) -> None:
        """Nothing is held."""


class _Reply:
    status = 200

    def __init__(self, body: bytes) -> None:
        self.headers = {"content-type": "application/json"}
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._read()

    async def _read(self) -> AsyncIterator[bytes]:
        yield self._body

    async def aclose(self) -> None:
        """Nothing is held."""


def _begin_peak() -> int:
    """The memory that there is now, from which on the peak is measured."""
    if not PEAK_IS_RSS.exists():
        return _peak()
    PEAK_IS_RSS.write_text("5", encoding="ascii")
    return _status("VmRSS")


def _peak() -> int:
    if not PEAK_IS_RSS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _status("VmHWM")


def _status(name: str) -> int:
    [line] = [line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024
