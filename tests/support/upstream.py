"""A real Chat Completions server that follows scripts: the upstream of every live test.

Knows HTTP/1.1 on a loopback port, and how to misbehave. Runs in a thread of its own, so that tests may block.
Records who asked what, how much of the reply went out, and when the client left.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from support.scripts import SCRIPTS
from support.steps import (
    Cut,
    Fail,
    Flood,
    Hang,
    Json,
    Raw,
    Reply,
    Script,
    Send,
    Sleep,
    Step,
    fold_chunks,
    payloads,
)

SEND_BUFFER_BYTES = 256 * 1024
WRITE_BYTES_MAX = 256 * 1024
MODEL: Json = {"object": "model", "created": 0, "owned_by": "tests"}
EMBEDDINGS: Json = {
    "object": "list",
    "model": "scripted",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.5]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}


def _written(body: Json) -> str:
    """The messages as a chat template might write them."""
    lines = [f"<{one['role']}> {one.get('content') or ''}" for one in body["messages"]]
    return " ".join([*lines, *(tool["function"]["name"] for tool in body.get("tools") or ())])


def _tokenized(body: Json) -> Json:
    """Every word is a token. A text is llama.cpp's way, messages are vLLM's."""
    words = (body["content"] if "content" in body else _written(body)).split()
    return {"tokens": list(range(len(words))), "count": len(words), "max_model_len": 4096}


TOKENIZERS: dict[str, Callable[[Json], Json]] = {
    "/tokenize": _tokenized,
    "/apply-template": lambda body: {"prompt": _written(body)},
}


Demand = Callable[[Json], str | None]


@dataclass(eq=False)
class Received:
    """One request, and what became of its reply. Times are `time.monotonic()`."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes = b""
    at: float = field(default_factory=time.monotonic)
    written: int = 0
    left_at: float | None = None
    left: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def wait_left(self, timeout_s: float = 20.0) -> float:
        """When the client went away in the middle of the reply."""
        assert self.left.wait(timeout_s), f"the client of {self.path} has not left within {timeout_s} s"
        assert self.left_at is not None
        return self.left_at


class ScriptedUpstream:
    def __init__(self, scripts: Mapping[str, Script] = SCRIPTS, tls: ssl.SSLContext | None = None) -> None:
        self.scripts = dict(scripts)
        self.tls = tls
        self.requests: list[Received] = []
        self.played: Counter[str] = Counter()
        self.connections: set[_Connection] = set()
        self.demands: dict[str, Demand] = {}
        """What requests for a model must hold; with what a demand returns instead of None, they are refused."""
        self.model_fields: Json = {}
        """What the list of models contains of each one beside its name."""
        self.models_reply: Reply | None = None
        """What the list of models is instead of the scripts' names."""
        self.models_key: str | None = None
        """The key without which the list is refused."""
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> ScriptedUpstream:
        self._thread.start()
        assert self._ready.wait(10), "the scripted upstream does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the scripted upstream does not stop"

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1"

    def add(self, name: str, script: Script) -> str:
        """A script of the test's own; returns the model to ask for."""
        assert name not in SCRIPTS, f"{name} is a script of everybody's"
        self.scripts[name] = script
        return name

    def add_after(self, results: int, name: str, script: Script) -> None:
        """What the same model answers to a request that holds so many results of tools."""
        self.scripts[f"{name} after {results}"] = script

    def script_of(self, body: Json) -> Script | None:
        name = body["model"]
        results = sum(message["role"] == "tool" for message in body.get("messages", ()))
        return self.scripts.get(f"{name} after {results}") or self.scripts.get(name)

    def refusal(self, received: Received) -> Reply | None:
        """What a request is refused with that does not hold what is demanded."""
        demand = self.demands.get(received.body.get("model", "")) if isinstance(received.body, dict) else None
        complaint = demand and demand(received.body)
        return Reply(400, _error(complaint, None)) if complaint else None

    def forget(self) -> None:
        """Start of another test: nothing was asked, nothing has failed yet."""
        self.requests.clear()
        self.played.clear()
        self.demands.clear()
        self.model_fields.clear()

    def completion(self, number: int = 0, timeout_s: float = 5.0) -> Received:
        """The n-th request for a completion, as soon as it is there."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.completions) > number, timeout_s), "nobody asked"
            return self.completions[number]

    @property
    def completions(self) -> list[Received]:
        return self.asked("/v1/chat/completions")

    def asked(self, path: str) -> list[Received]:
        """The requests to one route; servers ask for the models when they start, too."""
        return [one for one in self.requests if one.path == path]

    def record(self, received: Received) -> None:
        with self._changed:
            self.requests.append(received)
            self._changed.notify_all()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """One client's connection: reads requests, plays replies, notices at once when the client leaves."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.upstream = upstream
        self.buffer = bytearray()
        self.arrived = asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()
        self.current: Received | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.upstream.connections.add(self)
        self.task = asyncio.ensure_future(self._serve())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.arrived.set()

    def eof_received(self) -> None:
        self._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self.upstream.connections.discard(self)
        self._leave()

    def pause_writing(self) -> None:
        self.drained.clear()

    def resume_writing(self) -> None:
        self.drained.set()

    @property
    def socket(self) -> socket.socket:
        found: socket.socket = self.transport.get_extra_info("socket")
        return found

    def _leave(self) -> None:
        if self.current is not None:
            self.current.left_at = time.monotonic()
            self.current.left.set()
            self.current = None
        self.task.cancel()

    # Requests.

    async def _serve(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                received = await self._receive()
                self.current = received
                self.upstream.record(received)
                await self._answer(received)
                self.current = None
                received.ended.set()

    async def _receive(self) -> Received:
        head = (await self._read_until(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.rstrip().split("\r\n")
        method, path, _ = request_line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = await self._read_chunked()
        else:
            body = await self._read(int(headers.get("content-length", 0)))
        return Received(method, path, headers, json.loads(body) if body else None, body)

    async def _read_chunked(self) -> bytes:
        body = b""
        while size := int(await self._read_until(b"\r\n"), 16):
            body += (await self._read(size + 2))[:-2]
        await self._read_until(b"\r\n")
        return body

    async def _read_until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            await self._more()
        return await self._read(self.buffer.index(mark) + len(mark))

    async def _read(self, size: int) -> bytes:
        while len(self.buffer) < size:
            await self._more()
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    async def _more(self) -> None:
        self.arrived.clear()
        await self.arrived.wait()

    # Replies.

    async def _answer(self, received: Received) -> None:
        if refusal := self.upstream.refusal(received):
            await self.reply(refusal)
        elif (received.method, received.path) == ("POST", "/v1/chat/completions"):
            name = received.body["model"]
            script = self.upstream.script_of(received.body)
            if script is None:
                await self.reply(Reply(404, _error(f"no script {name}", "model_not_found")))
            else:
                await _Play(self, received, script).run()
        elif (received.method, received.path) == ("POST", "/v1/responses"):
            await _Play(self, received, self.upstream.scripts[received.body["model"]]).run()
        elif (received.method, received.path.partition("?")[0]) == ("GET", "/v1/models"):
            await self.reply(self._models(received))
        elif (received.method, received.path) == ("POST", "/v1/embeddings"):
            await self.reply(Reply(200, EMBEDDINGS))
        elif received.method == "POST" and received.path in TOKENIZERS:
            await self.reply(Reply(200, TOKENIZERS[received.path](received.body)))
        else:
            await self.reply(Reply(404, _error(f"no route {received.path}", None)))

    def _models(self, received: Received) -> Reply:
        key = self.upstream.models_key
        if key is not None and received.headers.get("authorization") != f"Bearer {key}":
            return Reply(401, _error("no key", "invalid_api_key"))
        models = [{"id": name, **MODEL, **self.upstream.model_fields} for name in self.upstream.scripts]
        return self.upstream.models_reply or Reply(200, {"object": "list", "data": models})

    async def reply(self, reply: Reply) -> None:
        await self.write(_head(reply, len(_encoded(reply))) + _encoded(reply))

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), WRITE_BYTES_MAX):
            piece = data[start : start + WRITE_BYTES_MAX]
            self.transport.write(piece)
            await (asyncio.Event() if self.transport.is_closing() else self.drained).wait()
            if self.current is not None:
                self.current.written += len(piece)

    async def cut(self, how: str) -> None:
        """Ours to end: the client has not left."""
        self.current = None
        if how == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()
        await asyncio.Event().wait()


class _Play:
    """One performance of a script, as server-sent events or as one JSON body."""

    def __init__(self, connection: _Connection, received: Received, script: Script) -> None:
        self.connection = connection
        self.script = script
        self.model: str = received.body["model"]
        self.streams = bool(received.body.get("stream"))
        self.played = connection.upstream.played
        self.text: list[Json] = []
        self.started = False

    async def run(self) -> None:
        for number, step in enumerate(self.script.steps):
            reply = self._instead(number, step)
            if reply is not None:
                await self.connection.reply(reply)
                return
            await (self._stream if self.streams else self._keep)(step)
        await (self._end_stream if self.streams else self._end_json)()

    def _instead(self, number: int, step: Step) -> Reply | None:
        if isinstance(step, Reply):
            return step
        key = f"{self.model} {number}"
        if isinstance(step, Fail) and self.played[key] < step.times:
            self.played[key] += 1
            return step.reply
        return None

    async def _stream(self, step: Step) -> None:
        if isinstance(step, Sleep):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Hang):
            await asyncio.Event().wait()
        elif isinstance(step, Cut):
            await self._start()
            await self.connection.cut(step.how)
        elif isinstance(step, Raw):
            await self._write(step.data)
        elif isinstance(step, (Send, Flood)):
            for chunk in payloads(step):
                await self._write(self.script.frame(json.dumps(chunk, ensure_ascii=False)))

    async def _keep(self, step: Step) -> None:
        """The JSON body comes at the end: until then chunks are only collected."""
        if isinstance(step, Cut):
            await self.connection.write(_head(Reply(200, {}), 1000) + b'{"id": "chatcmpl-1", ')
            await self.connection.cut(step.how)
        elif isinstance(step, (Send, Flood)):
            self.text.extend(payloads(step))
        elif isinstance(step, (Sleep, Hang)):
            await self._stream(step)

    async def _start(self) -> None:
        if not self.started:
            self.started = True
            length = "transfer-encoding: chunked" if self.script.chunked else "connection: close"
            head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n{length}\r\n\r\n"
            await self.connection.write(head.encode())

    async def _write(self, data: bytes) -> None:
        await self._start()
        size = self.script.piece_bytes or len(data)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            if self.script.chunked:
                piece = b"%x\r\n%b\r\n" % (len(piece), piece)
            await self.connection.write(piece)
            if self.script.piece_bytes:
                await asyncio.sleep(0)

    async def _end_stream(self) -> None:
        if self.script.done:
            await self._write(self.script.frame("[DONE]"))
        await self._start()
        if self.script.chunked:
            await self.connection.write(b"0\r\n\r\n")
        else:
            await self.connection.cut("close")

    async def _end_json(self) -> None:
        whole = self.script.whole
        await self.connection.reply(Reply(200, fold_chunks(self.text) if whole is None else whole))


def _head(reply: Reply, length: int) -> bytes:
    kind = "text/html" if isinstance(reply.body, str) else "application/json"
    headers = {"content-type": kind, "content-length": str(length), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _encoded(reply: Reply) -> bytes:
    return (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()


def _error(message: str, code: str | None) -> Json:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
