"""The Worker in Pyodide as a process of its own: `host.mjs`, and objects in it that tests call from outside."""

from __future__ import annotations

import asyncio
import atexit
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from penstock import ports
from penstock.egress import Egress
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import Destination, HttpReply, HttpRequest, Marks, Store, Transport
from support.missing import Missing

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENTRY = ROOT / "deploy" / "cloudflare" / "src"
PATHS = [str(path) for path in (ROOT / "core", ROOT / "adapters", HERE / "python_modules", ENTRY, HERE)]
ENDS_WITHIN_S = 30.0


class Host:
    """`with Host({"PENSTOCK_…": …}) as host:` gives a Worker that answers at `host.url`."""

    def __init__(self, variables: Mapping[str, str] = {}, entry: Path | None = None) -> None:
        """`entry` is a folder with another entry.py."""
        if not (HERE / "node_modules").exists() or not (HERE / "python_modules").exists() or not shutil.which("node"):
            raise Missing("the packages of tests/cloudflare are not installed: make clients")
        self._options = {"variables": variables, "paths": [*([str(entry)] if entry else []), *PATHS]}

    def __enter__(self) -> Host:
        self._log = tempfile.NamedTemporaryFile("ab")
        self._process = subprocess.Popen(
            ["node", str(HERE / "host.mjs"), json.dumps(self._options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith(b"{"):
            self._process.kill()
            log = line.decode() + self._process.stdout.read().decode() + self.log
            self.__exit__()
            raise AssertionError(f"the host does not start:\n{log[-3_000:]}")
        ports_of = json.loads(line)
        self.base = f"http://127.0.0.1:{ports_of['worker']}"
        self.calls_port: int = ports_of["calls"]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(ENDS_WITHIN_S)
        self._process.stdout.close()
        self._log.close()

    @property
    def url(self) -> str:
        return f"{self.base}/v1"

    @property
    def log(self) -> str:
        return Path(self._log.name).read_text(errors="replace")


class Caller:
    """A connection to the host, over which objects in Pyodide are called. It belongs to one event loop."""

    def __init__(self, port: int, first: Sequence[Any]) -> None:
        """`first` is the first call, which makes the object with the number 0."""
        self._port = port
        self._first = first
        self._numbers = count()
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    async def call(self, target: int | None, name: str, *arguments: Any, **keywords: Any) -> Any:
        """The result of a method. A cancelled call is cancelled there too."""
        number, reply = await self.begin(target, name, *arguments, **keywords)
        try:
            return await asyncio.shield(reply)
        except asyncio.CancelledError:
            self.cancel(number)
            reply.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    async def begin(
        self, target: int | None, name: str, *arguments: Any, **keywords: Any
    ) -> tuple[int, asyncio.Future[Any]]:
        await self.open()
        return self._post(target, name, *arguments, **keywords)

    async def open(self) -> asyncio.Future[Any]:
        """Connect, if that was not done. Returns the result of the first call."""
        async with self._opening:
            if self._writer is None:
                reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
                self._reading = asyncio.create_task(self._read(reader, self._writer))
                _, self._first_reply = self._post(*self._first)
        return self._first_reply

    async def finish(self) -> None:
        """Wait for the replies to all calls."""
        if self._replies:
            await asyncio.wait(self._replies.values())

    def _post(self, target: int | None, name: str, *arguments: Any, **keywords: Any) -> tuple[int, asyncio.Future[Any]]:
        number = next(self._numbers)
        self._replies[number] = asyncio.get_running_loop().create_future()
        self._send([number, target, name, arguments, keywords])
        return number, self._replies[number]

    def cancel(self, number: int) -> None:
        self._send([next(self._numbers), None, "cancel", [number], {}])

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
            self._writer = self._reading = None

    def _send(self, message: Any) -> None:
        data = msgspec.msgpack.encode(message, enc_hook=_plain)
        assert self._writer is not None
        self._writer.write(len(data).to_bytes(4) + data)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(4))
                number, error, result = msgspec.msgpack.decode(await reader.readexactly(length))
                reply = self._replies.pop(number)
                if reply.done():
                    continue
                if error is None:
                    reply.set_result(result)
                else:
                    reply.set_exception(_raised(*error))
        except Exception as error:  # every caller gets it; else they would wait without an end
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(AssertionError(f"the connection to the host failed: {error!r}"))
        finally:
            writer.close()


def _plain(value: Any) -> Any:
    """A value that is no struct, as a list."""
    return [f"{host}:{port}" for host, port in value._allowed] if isinstance(value, Egress) else list(value)


def _raised(name: str, fields: dict[str, Any]) -> BaseException:
    """The error of the other side, of the same class."""
    message = fields.pop("message", "")
    if name == "ApiError":
        error = ApiError(message, status=fields["status"], code=fields["code"], retriable=fields["retriable"])
        error.retry_after_s = fields["retry_after_s"]
        return error
    if name in ("TransportError", "NoFreeConnection"):
        kind = getattr(ports, name)
        made: BaseException = kind(message, **fields)
        return made
    if name in ("ChainTooLong", "TooManyBytes"):
        return getattr(ports, name)()  # type: ignore[no-any-return]
    if name == "StopAsyncIteration":
        return _Ended()
    if name == "CancelledError":
        return _Cancelled()
    return {"ValueError": ValueError}.get(name, AssertionError)(f"{name}: {message}")


class _Ended(Exception):
    """An iteration has ended. `StopAsyncIteration` cannot be raised from a future."""


class _Cancelled(Exception):
    """A call was cancelled before it had a result."""


def fetch_transport(host: Host) -> Callable[[Destination, Limits], Transport]:
    """`connect` of the transport over `fetch` in this host."""
    return lambda destination, limits: RemoteTransport(host, destination, limits)


class RemoteTransport:
    """A transport in Pyodide."""

    def __init__(self, host: Host, destination: Destination, limits: Limits) -> None:
        self._host = host
        self._made_from = (destination, limits)
        self._caller: Caller | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(self, request: HttpRequest) -> HttpReply:
        if self._caller is None or self._loop is not asyncio.get_running_loop():
            self._loop = asyncio.get_running_loop()
            self._caller = Caller(self._host.calls_port, first=(None, "connect", *self._made_from))
        head = await self._caller.call(0, "send", request)
        return RemoteReply(self._caller, *head)

    async def aclose(self) -> None:
        if self._caller is not None:
            await self._caller.call(0, "aclose")
            await self._caller.aclose()
            self._caller = None


class RemoteReply:
    """A reply in Pyodide."""

    def __init__(self, caller: Caller, target: int, status: int, headers: dict[str, str]) -> None:
        self._caller = caller
        self._target = target
        self.status = status
        self.headers = headers
        self._reading: tuple[int, asyncio.Future[Any]] | None = None
        """The call that reads. One that was cancelled may have had a result before that arrived there."""
        self._was_cancelled = False
        """Whether a read of this piece was cancelled in Pyodide."""

    def __aiter__(self) -> RemoteReply:
        return self

    async def __anext__(self) -> bytes:
        while True:
            if self._reading is None:
                self._reading = await self._caller.begin(self._target, "next")
            number, reply = self._reading
            try:
                piece: bytes = await asyncio.shield(reply)
            except asyncio.CancelledError:
                if not self._was_cancelled:  # else an impatient reader would get nothing
                    self._was_cancelled = True
                    self._caller.cancel(number)
                raise
            except _Cancelled:
                self._reading = None
                continue
            except _Ended:
                raise StopAsyncIteration from None
            self._reading = None
            self._was_cancelled = False
            return piece

    async def aclose(self) -> None:
        await self._caller.call(self._target, "aclose")


class RemoteStore:
    """A store in Pyodide: each of its methods is called there. `made_by` is the method of the session that opens it."""

    def __init__(self, host: Host, made_by: str) -> None:
        self._host = host
        self._made_by = made_by
        self._caller: Caller | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or (name == "mark_once" and self._made_by == "open_kv"):
            raise AttributeError(name)

        async def call(*arguments: Any, **keywords: Any) -> Any:
            if self._caller is None or self._loop is not asyncio.get_running_loop():
                self._loop = asyncio.get_running_loop()
                self._caller = Caller(self._host.calls_port, first=(None, self._made_by))
            result = await self._caller.call(0, name, *arguments, **keywords)
            protocol = Marks if name == "mark_once" else Store
            return msgspec.convert(result, get_type_hints(getattr(protocol, name))["return"])

        return call

    async def aclose(self) -> None:
        """Wait for calls that have begun, and close the connection."""
        if self._caller is not None and self._loop is asyncio.get_running_loop():
            await self._caller.call(0, "aclose")
            await self._caller.finish()
            await self._caller.aclose()
        self._caller = None


def called(host: Host, name: str) -> Any:
    """The result of a method of a session. It waits in a thread, since this one may have an event loop."""

    async def call() -> Any:
        caller = Caller(host.calls_port, first=(None, name))
        try:
            return await (await caller.open())
        finally:
            await caller.aclose()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, call()).result()


@cache
def shared_host() -> Host:
    """One host for all tests that only call into it. Raises `Missing`."""
    host = Host().__enter__()
    atexit.register(host.__exit__)
    return host
