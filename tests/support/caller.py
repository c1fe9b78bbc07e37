"""The `openai` package's client, sync or async behind one face, with ears on the wire: what it read is judged too.

A caller is used within `with`; at its end every reply has been read to its end, and has passed the oracle.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx2
import openai

from support.ignored_headers import CheckedReply, judged
from support.raw import TIMEOUT_S

SETTINGS: dict[str, Any] = {"max_retries": 0, "timeout": TIMEOUT_S}


@dataclass(eq=False)
class ReceivedReply:
    """One reply as it came over the wire."""

    status: int
    headers: dict[str, str]
    pieces: list[bytes] = field(default_factory=list)
    ended: bool = False

    def judged(self) -> CheckedReply:
        """The package leaves a stream at its last word."""
        assert self.ended or b"".join(self.pieces[-2:]).endswith(b"data: [DONE]\n\n"), "nobody read it to its end"
        return judged(self.status, self.headers, self.pieces)


class Ears:
    """Everything that went through one HTTP client."""

    def __init__(self) -> None:
        self.received: list[ReceivedReply] = []

    def note(self, response: httpx2.Response) -> ReceivedReply:
        received = ReceivedReply(response.status_code, dict(response.headers))
        self.received.append(received)
        return received

    def judged(self) -> list[CheckedReply]:
        return [one.judged() for one in self.received]


class _Piecewise(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, received: ReceivedReply) -> None:
        self.stream, self.received = stream, received

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.stream:
            self.received.pieces.append(piece)
            yield piece
        self.received.ended = True

    def close(self) -> None:
        self.stream.close()


class _AsyncPiecewise(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, received: ReceivedReply) -> None:
        self.stream, self.received = stream, received

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.stream:
            self.received.pieces.append(piece)
            yield piece
        self.received.ended = True

    async def aclose(self) -> None:
        await self.stream.aclose()


class _Wire(httpx2.HTTPTransport):
    def __init__(self, ears: Ears) -> None:
        super().__init__(verify=False)  # no TLS here; reading certificates takes longer than a call
        self.ears = ears

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Piecewise(response.stream, self.ears.note(response))
        return response


class _AsyncWire(httpx2.AsyncHTTPTransport):
    def __init__(self, ears: Ears) -> None:
        super().__init__(verify=False)  # no TLS here; reading certificates takes longer than a call
        self.ears = ears

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _AsyncPiecewise(response.stream, self.ears.note(response))
        return response


class Caller:
    """The sync client. What the package calls `responses.create(stream=True)` is `events` here."""

    def __init__(self, url: str, api_key: str = "test") -> None:
        self.ears = Ears()
        http = httpx2.Client(transport=_Wire(self.ears))
        self.client = openai.OpenAI(base_url=url, api_key=api_key, http_client=http, **SETTINGS)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()
        if kind is None:
            self.ears.judged()

    @property
    def last(self) -> CheckedReply:
        """The latest reply, judged."""
        return self.ears.received[-1].judged()

    def create(self, **ask: Any) -> Any:
        return self.client.responses.create(**ask)

    def parse(self, **ask: Any) -> Any:
        return self.client.responses.parse(**ask)

    def events(self, **ask: Any) -> list[Any]:
        with self.client.responses.create(stream=True, **ask) as stream:
            return list(stream)

    def stream(self, **ask: Any) -> tuple[list[Any], Any]:
        """The events of `responses.stream`, and its final response."""
        with self.client.responses.stream(**ask) as stream:
            return list(stream), stream.get_final_response()

    def models(self) -> list[str]:
        return [model.id for model in self.client.models.list()]

    def model(self, name: str) -> Any:
        return self.client.models.retrieve(name)


class AsyncCaller(Caller):
    """The async client, each call in an event loop of its own."""

    def __init__(self, url: str, api_key: str = "test") -> None:
        self.ears = Ears()
        self.url, self.api_key = url, api_key

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.ears.judged()

    def create(self, **ask: Any) -> Any:
        return self._run(lambda client: client.responses.create(**ask))

    def parse(self, **ask: Any) -> Any:
        return self._run(lambda client: client.responses.parse(**ask))

    def events(self, **ask: Any) -> list[Any]:
        async def read(client: openai.AsyncOpenAI) -> list[Any]:
            async with await client.responses.create(stream=True, **ask) as stream:
                return [event async for event in stream]

        return self._run(read)

    def stream(self, **ask: Any) -> tuple[list[Any], Any]:
        async def read(client: openai.AsyncOpenAI) -> tuple[list[Any], Any]:
            async with client.responses.stream(**ask) as stream:
                return [event async for event in stream], await stream.get_final_response()

        return self._run(read)

    def models(self) -> list[str]:
        async def read(client: openai.AsyncOpenAI) -> list[str]:
            return [model.id async for model in client.models.list()]

        return self._run(read)

    def model(self, name: str) -> Any:
        return self._run(lambda client: client.models.retrieve(name))

    def _run(self, call: Callable[[openai.AsyncOpenAI], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            http = httpx2.AsyncClient(transport=_AsyncWire(self.ears))
            async with openai.AsyncOpenAI(
                base_url=self.url, api_key=self.api_key, http_client=http, **SETTINGS
            ) as client:
                return await call(client)

        return asyncio.run(run())


CALLERS: dict[str, type[Caller]] = {"sync": Caller, "async": AsyncCaller}
