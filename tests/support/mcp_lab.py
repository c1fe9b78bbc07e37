"""MCP servers for tests: a well-behaved one of the newest protocol, and one that misbehaves as its path defines.

Both are real servers on a loopback port, in threads of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp_types import ToolAnnotations
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
TOKEN = "lab-token-canary"


class McpLab:
    """A server with tools. `url` needs the token `TOKEN` only under `/locked/mcp`."""

    def __init__(self, port: int = 0, certificate: tuple[Path, Path] | None = None) -> None:
        self._given_port = port
        self._certificate = certificate
        self.calls: Counter[str] = Counter()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.cancelled: list[str] = []
        self._server: uvicorn.Server | None = None

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}/mcp"

    def describe(self, description: str) -> None:
        """Describe a tool anew, as a server does that changes its mind."""
        self._program._tool_manager._tools["roll"].description = description

    def __enter__(self) -> McpLab:
        self._program = self._make()
        app = self._program.streamable_http_app()
        app.add_middleware(BaseHTTPMiddleware, dispatch=self._watch)
        where: dict[str, Any] = {"host": "127.0.0.1", "port": self._given_port}
        if self._certificate:
            where |= {"ssl_certfile": self._certificate[0], "ssl_keyfile": self._certificate[1]}
        config = uvicorn.Config(
            app, **where, loop="asyncio", log_level="critical", ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self._port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(10)
        if self._certificate:  # asyncio leaves the socket of a refused handshake to the garbage collector
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                self._server = None
                gc.collect()

    async def _watch(self, request: Request, go_on: Any) -> Response:
        self.requests.append((request.method, request.url.path, dict(request.headers)))
        if request.url.path.startswith("/locked"):
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return JSONResponse({"error": f"no entry for {request.headers.get('authorization')}"}, 401)
            request.scope["path"] = request.scope["path"].removeprefix("/locked")
        answer: Response = await go_on(request)
        return answer

    def _make(self) -> MCPServer:
        program = MCPServer("lab")
        program.tool(description="Roll a die.")(self.roll)
        program.tool(annotations=ToolAnnotations(read_only_hint=True))(self.look)
        for tool in (self.fail, self.wait, self.much, self.picture, self.headers):
            program.tool()(tool)
        return program

    # The tools.

    def roll(self, sides: int = 6) -> str:
        self.calls["roll"] += 1
        return f"4 of {sides}"

    def look(self) -> str:
        """Look at the table."""
        self.calls["look"] += 1
        return "A table."

    def fail(self) -> str:
        """Fail."""
        raise ValueError("the die is broken")

    async def wait(self, seconds: float) -> str:
        """Wait."""
        self.calls["wait"] += 1
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled.append("wait")
            raise
        return "waited"

    def much(self, size: int) -> str:
        """Give back much."""
        return "x" * size

    def picture(self) -> Image:
        """Give back a picture."""
        return Image(data=PIXEL, format="png")

    def headers(self, ctx: Context) -> str:
        """Give back the headers of the request."""
        request = ctx.request_context.request
        return f"{json.dumps(dict(request.headers))} {request.url}"


class OddServer:
    """An HTTP server whose answers are wrong in the way that the path names. It counts requests by path."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def url(self, path: str) -> str:
        return f"http://{self.address}/{path}"

    def __enter__(self) -> OddServer:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._answer, "127.0.0.1", 0), self._loop)
        self._server = starting.result(10)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            self._server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split(" ", 2)[1].strip("/").partition("?")[0]
                length = next(
                    (int(line[15:]) for line in head.lower().split("\r\n") if line[:15] == "content-length:"), 0
                )
                body = await reader.readexactly(length)
                self.hits[path] += 1
                for piece in self._pieces(path, json.loads(body or b"{}")):
                    writer.write(piece)
                    await writer.drain()
                if path in ("cut", "cut-stream") and b'"tools/' in body:
                    break
                if path == "hang":
                    await asyncio.sleep(60)
        writer.close()

    def _pieces(self, path: str, asked: Any) -> Iterator[bytes]:
        method, number = asked.get("method"), asked.get("id")
        if path == "hang":
            return
        if path.isdigit():
            yield _http(int(path), b"secret page", "text/html")
        elif method == "initialize":
            info = {"name": "odd", "version": "1"}
            version = path.removeprefix("era-") if path.startswith("era-") else "2025-06-18"
            yield _json(number, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})
        elif number is None:
            yield _http(202 if method else 405, b"")
        elif method == "server/discover":
            yield _http(404, b"")
        else:
            yield from self._odd(path, number, method)

    def _odd(self, path: str, number: Any, method: str) -> Iterator[bytes]:
        if path in _BYTES:
            yield from _BYTES[path]
        elif path in _RESULTS:
            yield _json(number, _RESULTS[path])
        elif path == "forgetful":
            yield _json(number, {"tools": [TOOL]}) if self.hits[path] % 7 else _http(404, b"")
        elif path == "talking" or path.startswith("era-"):
            yield _talk(number) if method == "tools/call" else _json(number, {"tools": [TOOL]})
        elif path == "values":
            yield _json(number, {"content": _MANY_VALUES, "tools": _MANY_VALUES})
        elif path == "event-of-values":
            result = {"content": _MANY_VALUES, "tools": _MANY_VALUES}
            event = json.dumps({"jsonrpc": "2.0", "id": number, "result": result})
            yield _http(200, f"data: {event}\n\n".encode(), "text/event-stream")
        elif path == "pages":
            tools = [{"name": f"t{self.hits[path]}", "inputSchema": {"type": "object"}}]
            yield _json(number, {"tools": tools, "nextCursor": "more"})
        else:
            error = {"code": -32001, "message": f"no {path} for {TOKEN}"}
            yield _http(200, json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode())


def _length(head: str) -> int:
    lines = head.lower().split("\r\n")
    return next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)


def _json(number: Any, result: Any) -> bytes:
    return _http(200, json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode())


def _http(status: int, body: bytes, kind: str = "application/json", more: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body


def _talk(number: Any) -> bytes:
    """A result, after everything else that a server may send during a call."""
    messages: list[Any] = [
        {"method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}},
        {"method": "notifications/message", "params": {"level": "info", "data": "x"}},
        {"method": "notifications/tools/list_changed"},
        {"method": "notifications/unknown", "params": {}},
        {"id": 99, "method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}},
        {"id": 98, "method": "roots/list"},
        {"id": 97, "method": "ping"},
        {"id": number, "result": {"content": [{"type": "text", "text": "done"}]}},
    ]
    frames = [f"event: message\ndata: {json.dumps({'jsonrpc': '2.0'} | message)}\n\n" for message in messages]
    return _http(200, "".join(frames).encode(), "text/event-stream")


TOOL: dict[str, Any] = {"name": "roll", "inputSchema": {"type": "object"}}
_RESULTS: dict[str, dict[str, Any]] = {
    "wrong-result": {"tools": "none"},
    "no-schema": {"tools": [TOOL, {"name": "bad"}]},
    "no-name": {"tools": [{"inputSchema": {"type": "object"}}]},
    "no-object": {"tools": [TOOL | {"inputSchema": {"type": "string"}}]},
    "twice": {"tools": [TOOL, TOOL]},
    "thousand": {"tools": [TOOL | {"name": f"t{number}"} for number in range(1_000)]},
    "odd-names": {"tools": [TOOL | {"name": name} for name in ("a.b", "a b", "x" * 200, "\u00fc")]},
    "large-pages": {"tools": [TOOL | {"description": "d" * 1_000_000}], "nextCursor": "more"},
}
_BEGIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_MANY_VALUES: list[Any] = [{}] * 30_000
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_NOTICE = b'data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n' * 200
_BYTES: dict[str, list[bytes]] = {
    "endless-event": [_STREAM, *[b"10000\r\n" + b"data: " + b"x" * 65_529 + b"\n" + b"\r\n"] * 140],
    "endless-events": [_STREAM, *[b"%x\r\n" % len(_NOTICE) + _NOTICE + b"\r\n"] * 8],
    "garbage": [_http(200, b"{nonsense")],
    "html": [_http(200, b"<html>", "text/html")],
    "huge": [_BEGIN + b"transfer-encoding: chunked\r\n\r\n", *[b"10000\r\n" + b" " * 65_536 + b"\r\n"] * 400],
    "packed": [_http(200, b"\x1f\x8b", more="content-encoding: gzip\r\n")],
    "cut": [_BEGIN + b"content-length: 999\r\n\r\n{"],
    "cut-stream": [b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 999\r\n\r\n: hi\n\n"],
    "elsewhere": [_http(307, b"", "text/html", "location: http://10.0.0.1/secret-canary\r\n")],
}
