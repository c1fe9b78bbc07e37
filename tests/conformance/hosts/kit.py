"""What a host is to a test, what is asked of it, and what came back, each piece with its time."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from support.missing import Missing
from support.server import ROOT, environment

KEY = "sk-of-the-conformance-suite"
REQUEST_S = 3
"""How long a host lets a request last, if it does not need more."""
PATIENCE_S = 30
PYTHON = ROOT / ".venv-hosts" / "bin" / "python"
JSON_HEADERS = (("content-type", "application/json"), ("authorization", f"Bearer {KEY}"))

PAUSE_S = 0.6
"""How long the model `paused` is silent after its first word."""
BINARY = bytes(range(256)) * 4
"""What the model `binary` sends."""

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Call:
    """A request, as any client might send it."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = JSON_HEADERS
    query: str = ""


def get(path: str) -> Call:
    return Call("GET", path)


def post(path: str = "/v1/responses", prefix: str = "", **body: Any) -> Call:
    return Call("POST", prefix + path, json.dumps(body, ensure_ascii=False).encode())


@dataclass
class Answer:
    """A reply. `is_whole` is false where its client sees that its end is missing."""

    status: int
    headers: Pairs
    pieces: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    is_whole: bool = True

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> tuple[int, str]:
        """The status, and the code of its error."""
        return self.status, self.json["error"]["code"]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def took_s(self, first: bytes, last: bytes) -> float:
        """How much later the piece with `last` came than the one with `first`."""
        when = [next(at for at, piece in self._timed() if text in piece) for text in (first, last)]
        return when[1] - when[0]

    def _timed(self) -> list[tuple[float, bytes]]:
        return list(zip(self.times, self.pieces, strict=True))


class Host:
    """A place to run the app in. It is started once, and answers all tests."""

    name: ClassVar[str]
    streams: ClassVar[bool] = True
    """Whether a client gets the pieces of a reply while it is made."""
    is_buffered: ClassVar[bool] = False
    """Whether the app itself gives a reply away as a whole only, so that a fault in its middle is an error."""
    shows_cuts: ClassVar[bool] = True
    """Whether the test sees that a reply was cut."""
    is_function: ClassVar[bool] = False
    """Whether nothing runs after a reply."""
    sees_disconnects: ClassVar[bool] = True
    """Whether the app learns that a client has left."""
    request_s: ClassVar[int] = REQUEST_S
    many_at_once: ClassVar[bool] = True
    prefixes: ClassVar[tuple[str, ...]] = ("",)
    """What may stand before the paths of the API."""

    def start(self, upstream: str, **variables: str) -> None:
        """Run the app in front of this upstream. Raises `Missing`."""
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def ask(self, call: Call) -> Answer:
        """The whole reply."""
        raise NotImplementedError

    def leave(self, call: Call, wait: Callable[[], object]) -> None:
        """Ask, wait, and leave: after the first piece of a stream, and before a whole body."""
        raise NotImplementedError


def variables(upstream: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of an app."""
    ours = {"PENSTOCK_API_KEYS": KEY, "PENSTOCK_UPSTREAM": upstream, "PENSTOCK_STORE": "none://"}
    return environment() | ours | given


def python() -> str:
    """The Python of the hosts' virtual environment. Raises `Missing`."""
    if not PYTHON.exists():
        raise Missing("the hosts are not installed: make hosts")
    return str(PYTHON)


def need(package: str) -> Path:
    """Where a package of the hosts is. Raises `Missing`."""
    python()
    found = next(PYTHON.parents[1].glob(f"lib/python3.*/site-packages/{package}"), None)
    if found is None:
        raise Missing(f"{package} is not installed for this Python: see the group 'hosts' in pyproject.toml")
    return found


def ask_http(address: str, call: Call) -> Answer:
    """Ask a server at `host:port`."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    try:
        _send(connection, call)
        return _read(connection.getresponse())
    finally:
        connection.close()


def leave_http(address: str, call: Call, wait: Callable[[], object]) -> None:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    _send(connection, call)
    wait()
    if b'"stream": true' in call.body:
        assert connection.getresponse().read1()
    connection.close()


def _send(connection: http.client.HTTPConnection, call: Call) -> None:
    target = quote(call.path) + (f"?{call.query}" if call.query else "")
    connection.putrequest(call.method, target)
    length = [("content-length", str(len(call.body)))] if call.body or call.method == "POST" else []
    for name, value in [*call.headers, *length]:
        connection.putheader(name, value)
    connection.endheaders(call.body)


def _read(response: http.client.HTTPResponse) -> Answer:
    answer = Answer(response.status, response.getheaders())
    try:
        while piece := response.read1(2**16):
            answer.times.append(time.monotonic())
            answer.pieces.append(piece)
    except (http.client.HTTPException, OSError):
        answer.is_whole = False
    if response.length:
        answer.is_whole = False
    return answer
