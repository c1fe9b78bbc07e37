"""The runtime: a loop that gets events from the Runtime API, answers them, and streams the replies.

It knows the order of a function's life: init, restore from a snapshot, events one after another, or several at once. A
wrong event is reported, and the loop goes on. Buffered replies are for senders that take no stream.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Mapping

import msgspec

from penstock import ids
from penstock.http import Reply
from penstock.settings import SettingsError

from .background import NotDone
from .events import Event, EventError, decode_event
from .function import Function, function_settings
from .results import prelude
from .runtime_api import Failure, Invocation, RuntimeApi, RuntimeApiError

ADDRESS = "AWS_LAMBDA_RUNTIME_API"
CONCURRENCY = "AWS_LAMBDA_MAX_CONCURRENCY"
INIT_TYPE = "AWS_LAMBDA_INITIALIZATION_TYPE"
POLLS_MAX = 2_048
"""More than the events that Lambda gives one process at once."""
_DIGITS_MAX = 15
"""How many digits of a number are read: Python refuses thousands of them."""
DRAIN_S = 0.3
"""How long events may go on after SIGTERM. Lambda ends the process half a second after it."""

_log = logging.getLogger("penstock.aws_lambda")


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Serve until Lambda ends the process. Returns 1 where the function cannot start."""
    address = environment.get(ADDRESS)
    if not address:
        _print(f"{ADDRESS} is not set: this runs in AWS Lambda only")
        return 1
    try:
        return asyncio.run(_main(address, environment))
    except RuntimeApiError as error:
        _print(f"the Runtime API failed: {error}")
        return 1


async def _main(address: str, environment: Mapping[str, str]) -> int:
    api = RuntimeApi(address)
    try:
        settings = function_settings(environment)
        function = Function(settings)
    except Exception as error:
        _print(str(error))
        # spec: function-init
        await api.fail_init(_failure("Runtime.InvalidSettings", error))
        if not isinstance(error, SettingsError):
            raise
        return 1
    if environment.get(INIT_TYPE) == "snap-start":
        await api.restored()
        ids.forget_drawn()
    streams = settings.invoke_mode == "response_stream"
    await Runtime(address, function, streams=streams, polls=polls(environment)).serve()
    return 0


def polls(environment: Mapping[str, str]) -> int:
    """How many events are answered at once. Anything else than a positive number is one."""
    text = environment.get(CONCURRENCY, "")
    if not text.isdecimal():
        return 1
    return min(max(int(text[:_DIGITS_MAX]), 1), POLLS_MAX)


class Runtime:
    """Answers events, as many at once as there are `polls`."""

    def __init__(self, address: str, function: Function, *, streams: bool, polls: int) -> None:
        self._address = address
        self._function = function
        self._streams = streams
        self._polls = polls
        self._waiting: set[RuntimeApi] = set()
        self._is_ending = False

    async def serve(self) -> None:
        """Answer events until SIGTERM, or until the Runtime API cannot be reached. Raises `RuntimeApiError`."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._end)
        polls = [asyncio.ensure_future(self._poll()) for _ in range(self._polls)]
        try:
            await asyncio.gather(*polls)
        finally:
            for poll in polls:
                poll.cancel()
            await asyncio.gather(*polls, return_exceptions=True)
            await self._function.service.aclose()

    async def _poll(self) -> None:
        api = RuntimeApi(self._address)
        try:
            while not self._is_ending:
                self._waiting.add(api)
                invocation = await api.next()
                self._waiting.discard(api)
                await self._answer(api, invocation)
        except RuntimeApiError:
            if not self._is_ending:
                raise
        finally:
            api.close()

    def _end(self) -> None:
        """End the polls that wait, and soon the events that are being answered."""
        self._is_ending = True
        self._function.service.drain(DRAIN_S)
        for api in self._waiting:
            api.close()

    async def _answer(self, api: RuntimeApi, invocation: Invocation) -> None:
        """Answer one event, or report why it cannot be answered."""
        try:
            failure = await self._attempt(api, invocation)
            if failure is not None:
                await api.fail(invocation.request_id, failure)
        except RuntimeApiError as error:  # where there is no Runtime API any more, `next` ends the loop
            _log.error("event %s has no reply: %s", invocation.request_id, error)

    async def _attempt(self, api: RuntimeApi, invocation: Invocation) -> Failure | None:
        """Send the reply to an event, or return why there is none. Raises `RuntimeApiError`."""
        try:
            await self._send_reply(api, invocation, decode_event(invocation.body))
        except EventError as error:
            # spec: function-events
            return _failure("Runtime.InvalidEvent", error)
        except NotDone as error:
            return _failure("Penstock.NotDone", error)
        except RuntimeApiError:
            raise
        except Exception as error:
            _log.exception("event %s failed by a fault of this server", invocation.request_id)
            return _failure("Runtime.InternalError", error)
        return None

    async def _send_reply(self, api: RuntimeApi, invocation: Invocation, event: Event) -> None:
        deadline_s = _deadline_s(invocation)
        if event.is_work:
            await api.respond(invocation.request_id, msgspec.json.encode(await self._function.work(event, deadline_s)))
        elif self._streams and event.may_stream:
            await api.stream(invocation.request_id, _pieces(await self._function.reply(event, deadline_s)))
        else:
            result = await self._function.buffered(event, deadline_s)
            await api.respond(invocation.request_id, msgspec.json.encode(result))


async def _pieces(reply: Reply) -> AsyncGenerator[bytes | bytearray]:
    """The reply as a stream: the prelude, then the body as it comes. Raises `OSError` where the body is cut."""
    yield prelude(reply.status, reply.headers)
    body = reply.body
    if body is None or isinstance(body, bytes):
        yield body or b""
        return
    try:
        async for piece in body:
            yield piece
    finally:
        await body.aclose()


def _print(text: str) -> None:
    sys.stderr.write(f"penstock: {text}\n")


def _deadline_s(invocation: Invocation) -> float | None:
    """The deadline by the monotonic clock. Lambda's is by the clock of the day."""
    if invocation.deadline_ms is None:
        return None
    return time.monotonic() + invocation.deadline_ms / 1000 - time.time()


def _failure(kind: str, error: Exception) -> Failure:
    return Failure(kind, str(error) or type(error).__name__)
