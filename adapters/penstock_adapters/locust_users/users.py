"""A simulated user of the Responses API, as a base class for the users of a locustfile.

Each method sends one request, or the few that belong together, and returns the finished Response, or None where locust
has counted a failure. Figures of streams are rows of their own in locust's statistics, which its totals do not include.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from locust import FastHttpUser
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, ResponseContextManager

from penstock_adapters.locust_users.events import ReceivedEvents
from penstock_adapters.locust_users.finished import Finished, read_finished
from penstock_adapters.locust_users.options import HOST
from penstock_adapters.locust_users.turns import TurnConnection, TurnError

POLL_S = 0.2
POLLS_MAX = 3_000
RUNNING = ("queued", "in_progress")


# spec: locust-users
class ResponsesUser(FastHttpUser):
    """A user who waits between tasks for as long as `--think-min` and `--think-max` define.

    `fields` of every method are fields of the request. Those that are not named are `model`, `input` (the options
    `--model` and `--prompt`) and `store: false`.
    """

    abstract = True
    host = HOST
    base_path = "/v1"

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._turns: TurnConnection | None = None

    def wait_time(self) -> float:
        """A random wait between the two options."""
        options = self.environment.parsed_options
        return random.uniform(options.think_min, max(options.think_min, options.think_max))

    def create(self, name: str = "create", **fields: Any) -> Finished | None:
        """Ask for a whole Response."""
        with self._post(name, fields) as reply:
            return self._finished(reply)

    def stream(self, name: str = "stream", **fields: Any) -> Finished | None:
        """Read a stream to its end. The row of the request has the time of the whole stream."""
        received, started_s = ReceivedEvents(), time.perf_counter()
        with self._post(name, fields | {"stream": True}, stream=True) as reply:
            for event in _sse_events(reply):
                received.add_sse(event, time.perf_counter() - started_s)
            if reply.status_code != 200:
                return None  # locust counts the status itself
            reply.request_meta["response_time"] = (time.perf_counter() - started_s) * 1000
            reply.request_meta["response_length"] = received.size_bytes
            if fault := received.fault():
                reply.failure(fault)
                return None
        self._log_stream("SSE", name, received)
        return received.response

    def background(self, name: str = "background", poll_s: float = POLL_S, **fields: Any) -> Finished | None:
        """Start a Response in the background, and ask for it until it has ended."""
        started_s = time.perf_counter()
        found = self.create(name, **fields | {"background": True, "store": True})
        for _ in range(POLLS_MAX):
            if found is None or found.status not in RUNNING:
                break
            time.sleep(poll_s)
            found = self.retrieve(found.id, f"{name}: poll")
        if found is not None and found.status not in RUNNING:
            self._log("background", f"{name}: until its end", [time.perf_counter() - started_s])
        return found

    def retrieve(self, response_id: str, name: str = "retrieve") -> Finished | None:
        """Ask for a stored Response."""
        path = f"{self.base_path}/responses/{response_id}"
        with self.client.get(path, name=name, headers=self._headers(), catch_response=True) as reply:
            return self._finished(reply)

    def turn(self, name: str = "turn", **fields: Any) -> Finished | None:
        """Send one turn on the WebSocket of this user. It is opened with the first turn, and again after a failure."""
        received, started_s = ReceivedEvents(), time.perf_counter()
        try:
            self._send_turn(fields)
            self._receive_turn(received, started_s)
            fault = received.fault()
        except TurnError as error:
            fault = str(error)
        self._count_turn(name, time.perf_counter() - started_s, received.size_bytes, fault)
        if fault:
            self.close_turns()
            return None
        self._log_stream("WebSocket", name, received)
        return received.response

    def close_turns(self) -> None:
        """Close the WebSocket, if there is one."""
        if self._turns is not None:
            self._turns.close()
            self._turns = None

    def on_stop(self) -> None:
        """Close the WebSocket when locust stops this user."""
        self.close_turns()

    def _post(self, name: str, fields: dict[str, Any], *, stream: bool = False) -> ResponseContextManager:
        return self.client.post(
            f"{self.base_path}/responses",
            name=name,
            data=msgspec.json.encode(self._body(fields)),
            headers=self._headers(),
            stream=stream,
            catch_response=True,
        )

    def _body(self, fields: dict[str, Any]) -> dict[str, Any]:
        options = self.environment.parsed_options
        return {"model": options.model, "input": options.prompt, "store": False} | fields

    def _headers(self) -> dict[str, str]:
        key = self.environment.parsed_options.api_key
        return {"content-type": "application/json", "authorization": f"Bearer {key}"}

    def _finished(self, reply: ResponseContextManager) -> Finished | None:
        if reply.status_code != 200:
            return None  # locust counts the status itself
        try:
            found = read_finished(reply.content)
        except msgspec.MsgspecError as error:
            reply.failure(f"the reply cannot be read: {error}")
            return None
        if found.status not in RUNNING and (fault := found.fault):
            reply.failure(fault)
            return None
        return found

    def _send_turn(self, fields: dict[str, Any]) -> None:
        if self._turns is None:
            self._turns = TurnConnection(f"{self.host}{self.base_path}/responses", self._headers())
        self._turns.send(msgspec.json.encode({"type": "response.create"} | self._body(fields)))

    def _receive_turn(self, received: ReceivedEvents, started_s: float) -> None:
        assert self._turns is not None
        while received.end is None:
            received.add_message(self._turns.receive(), time.perf_counter() - started_s)

    def _count_turn(self, name: str, elapsed_s: float, size_bytes: int, fault: str | None) -> None:
        self.environment.events.request.fire(
            request_type="WebSocket",
            name=name,
            response_time=elapsed_s * 1000,
            response_length=size_bytes,
            exception=TurnError(fault) if fault else None,
            context=self.context(),
        )

    def _log_stream(self, kind: str, name: str, received: ReceivedEvents) -> None:
        """The figures of a good stream. A row's requests are what it counts: those of `events` are events."""
        self._log(kind, f"{name}: first event", received.times_s[:1])
        if received.first_token_s is not None:
            self._log(kind, f"{name}: time to first token", [received.first_token_s])
        self._log(kind, f"{name}: inter-token latency", received.gaps_s())
        self._log(kind, f"{name}: events", received.times_s)

    def _log(self, kind: str, name: str, times_s: Iterable[float]) -> None:
        # spec: locust-distributed
        entry = self.environment.stats.get(name, kind)
        for each_s in times_s:
            entry.log(each_s * 1000, 0)


def _sse_events(reply: ResponseContextManager) -> Iterator[bytes]:
    """The events as they arrive; `iter_content` waits until a whole buffer is full."""
    with contextlib.suppress(*FAILURE_EXCEPTIONS):  # a stream that is cut has no terminal event, which is a fault
        while event := reply.stream.readline(sep=b"\n\n"):
            yield event
