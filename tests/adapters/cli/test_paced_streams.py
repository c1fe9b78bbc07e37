"""Paced streams of an exchange, in virtual time: each token is one write, and a slow client holds them back."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from penstock import Settings, build
from penstock.http import Request
from penstock_adapters.cli.http1.exchange import Exchange
from requirements import shows
from support import virtual_time

TOKENS = 40
ITL_S = 0.02
MODEL = f"synthetic?tokens={TOKENS}&ttft_ms=20&itl_ms={ITL_S * 1000:g}"
REQUESTS = {
    "/v1/responses": {"input": "Count.", "store": False},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Count."}]},
}


class Client:
    """A transport that notes each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def is_closing(self) -> bool:
        return False

    def tokens(self) -> list[int]:
        """How many tokens each write had that had any."""
        marks = (b"event: response.output_text.delta", b'"delta":{"content":"')
        counts = [sum(write.count(mark) for mark in marks) - write.count(b'"content":"",') for write in self.writes]
        return [count for count in counts if count]


class Answering:
    """A request that is answered."""

    def __init__(self, path: str) -> None:
        self.client = Client()
        transport = cast("asyncio.Transport", self.client)
        self.flow = FlowControl(transport)
        exchange = Exchange(
            transport, self.flow, [], lambda: None, body=b"", is_1_1=True, expects_continue=False, keep_alive=True
        )
        body = msgspec.json.encode(REQUESTS[path] | {"model": MODEL, "stream": True})
        headers = {"host": "127.0.0.1", "content-type": "application/json"}
        request = Request(method="POST", path=path, headers=headers, body=body, disconnected=exchange.disconnected)
        tasks: set[asyncio.Task[None]] = set()
        exchange.begin(build(Settings(store="none://")), request, asyncio.get_running_loop(), tasks)
        [self.task] = tasks


def texts_of(writes: list[bytes]) -> list[Any]:
    """The texts of a stream, with their numbers where they have any."""
    data = [line.removeprefix(b"data: ") for write in writes for line in write.splitlines() if line[:6] == b"data: "]
    events = [msgspec.json.decode(each) for each in data if each != b"[DONE]"]
    return [
        (event.get("sequence_number"), event.get("delta") or event["choices"][0]["delta"].get("content"))
        for event in events
        if "choices" in event or event["type"] == "response.output_text.delta"
    ]


@shows("synthetic-pace")
@pytest.mark.parametrize("path", REQUESTS)
def test_a_token_is_one_write_and_wakes_no_task(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> tuple[list[int], int]:
        answering = Answering(path)
        await asyncio.sleep(ITL_S * 5)
        woken: list[Any] = []
        call_soon = virtual_time.loop().call_soon

        def note(callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
            woken.append(callback)
            return call_soon(callback, *args, context=context)

        with monkeypatch.context() as patch:
            patch.setattr(virtual_time.loop(), "call_soon", note)
            await asyncio.sleep(ITL_S * 20)
        await answering.task
        return answering.client.tokens(), len(woken)

    tokens, woken = virtual_time.run(main())
    assert tokens == [1] * TOKENS
    assert woken < 10  # of 20 tokens; the test itself and the deadlines of the run are woken, too


@pytest.mark.parametrize("path", REQUESTS)
def test_a_client_that_does_not_read_gets_nothing_more_until_it_does(path: str) -> None:
    async def main() -> tuple[list[bytes], list[bytes], list[bytes]]:
        at_once, slow = Answering(path), Answering(path)
        await asyncio.sleep(ITL_S * 10)
        slow.flow.pause_writing()
        before = len(slow.client.writes)
        await asyncio.sleep(ITL_S * 20)
        meanwhile = slow.client.writes[before:]
        slow.flow.resume_writing()
        await asyncio.gather(at_once.task, slow.task)
        return at_once.client.writes, slow.client.writes, meanwhile

    at_once, slow, meanwhile = virtual_time.run(main())
    assert meanwhile == []
    assert texts_of(slow) == texts_of(at_once)
    assert len(texts_of(slow)) >= TOKENS
