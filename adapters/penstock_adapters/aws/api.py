"""Calls of one service of AWS: a signed request, its reply, and repetitions while the service is busy.

It knows neither what is sent nor what is returned. A call is repeated after a fault of the network, a 5xx and a
throttled call, with growing waits in between, until its time is over; so every call must be repeatable.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import HttpRequest, TransportError
from penstock.telemetry import OutageLog

from .bodies import whole_body
from .credentials import ConnectUrl, Credentials, CredentialsChain, NoCredentials
from .signature import Scope, signed_headers

ATTEMPT_S = 5.0
"""How long one attempt may take."""
CALL_S = 5.0
"""After how many seconds a call is not repeated any more."""
BACKOFF_S = 0.025
"""The longest first wait before a repetition, in seconds; it doubles."""
BACKOFF_MAX_S = 1.0
BODY_BYTES_MAX = 64 * 2**20
"""How long a reply may be. DynamoDB's have at most 16 MB of values, which are longer in base64."""
CONNECTIONS_MAX = 64
"""How many calls of one process are in progress at a time."""
_BUSY = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottledException",
        "ServiceUnavailable",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
    }
)
"""The errors of a service that could answer the same call later."""
_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired", "InvalidSignatureException"})
_SKEW_MIN_S = 30.0
"""A clock that differs less from the service's is not the reason for a refused signature."""
_AGREEMENT_S = 1.5
"""The difference between a clock and a reply's whole seconds that shows no difference of the clocks."""
_CLOSING_POLL_S = 0.005
_IDLE_TURNS = 5
"""In how many turns of the event loop no call is in progress when all operations have ended."""

LIMITS = Limits(upstream_connections_max=CONNECTIONS_MAX, upstream_connection_wait_s=ATTEMPT_S)
"""The limits of the transports to AWS."""


class AwsError(Exception):
    """A call that the service has refused. `kind` is its name for the error."""

    def __init__(self, kind: str, message: str, status: int) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.status = status


class _Refusal(msgspec.Struct):
    kind: str = msgspec.field(name="__type", default="")
    message: str = ""
    other_message: str = msgspec.field(name="Message", default="")


_refusal = msgspec.json.Decoder(_Refusal).decode


class AwsApi:
    """One service at one endpoint. It connects at its first call."""

    def __init__(
        self,
        url: str,
        scope: Scope,
        credentials: CredentialsChain,
        connect: ConnectUrl,
        *,
        logger: logging.Logger,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._scope = scope
        self._credentials = credentials
        self._transport = connect(url)
        self._now_s = now_s
        self._skew_s = 0.0
        self._date = ""
        self._calls = 0
        self._is_closed = False
        self._outage = OutageLog(logger, f"The service {scope.service} of AWS")

    async def call(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        """POST a body. Raises `AwsError` for a refused call, and `ApiError` 503 where the service cannot be reached."""
        if self._is_closed:
            raise unavailable()
        self._calls += 1
        try:
            return await self._repeated(path, headers, body)
        finally:
            self._calls -= 1

    def open(self) -> None:
        """Take calls again after `aclose`."""
        self._is_closed = False

    async def _repeated(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        """Attempt a call until it succeeds, or its time is over."""
        loop = asyncio.get_running_loop()
        end, backoff_s = loop.time() + CALL_S, BACKOFF_S
        while True:
            try:
                answer = await self._attempt(path, headers, body)
                self._outage.succeeded()
                return answer
            except (TransportError, TimeoutError, ValueError) as error:
                reason = f"{type(error).__name__}: {getattr(error, 'cause', '') or error}"
            except NoCredentials as error:
                self._outage.failed(str(error))
                raise unavailable() from None
            except AwsError as error:
                if error.kind not in _BUSY and error.status < 500:
                    raise
                reason = str(error)
            wait_s = random.uniform(0, backoff_s)
            if loop.time() + wait_s > end:
                self._outage.failed(reason)
                raise unavailable()
            await asyncio.sleep(wait_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)

    def refused(self, error: AwsError) -> ApiError:
        """The error for clients of a call that the service refuses for a reason of the operator, which is logged."""
        self._outage.failed(str(error))
        return unavailable()

    def time_s(self) -> float:
        """The time in Unix seconds by the service's clock, as its last reply had it.

        A reply has whole seconds. A clock of this machine that agrees with them is more exact.
        """
        now = self._now_s()
        there = http_date_s(self._date)
        return now if there is None or abs(there + 0.5 - now) <= _AGREEMENT_S else there + 0.5

    async def aclose(self) -> None:
        """Wait for the calls in progress and those that follow each of them, then close every connection."""
        loop = asyncio.get_running_loop()
        end, idle = loop.time() + CALL_S, 0
        while idle < _IDLE_TURNS and loop.time() < end:
            idle = 0 if self._calls else idle + 1
            await asyncio.sleep(_CLOSING_POLL_S if self._calls else 0)
        self._is_closed = True
        await self._transport.aclose()

    async def _attempt(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        credentials = await self._credentials.get()
        async with asyncio.timeout(ATTEMPT_S):
            status, answer = await self._send(credentials, path, headers, body)
        if 200 <= status < 300:
            return answer
        error = _error(status, answer)
        if error.kind in _SKEWED and self._learn_skew():
            raise TimeoutError(f"the clock of this machine is {self._skew_s:.0f} s away from that of AWS")
        raise error

    async def _send(
        self, credentials: Credentials, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        now = self._now_s() + self._skew_s
        signed = signed_headers(
            credentials, self._scope, method="POST", url=self._url + path, headers=headers, body=body, now=now
        )
        reply = await self._transport.send(HttpRequest(method="POST", path=path, headers=[*signed.items()], body=body))
        self._date = reply.headers.get("date", "")
        return reply.status, await whole_body(reply, BODY_BYTES_MAX)

    def _learn_skew(self) -> bool:
        """Use the clock of the service from now on. False where the clocks agree already."""
        there = http_date_s(self._date)
        if there is None or abs(there - self._now_s() - self._skew_s) < _SKEW_MIN_S:
            return False
        self._skew_s = there - self._now_s()
        return True


def http_date_s(date: str) -> float | None:
    """The Unix time of an HTTP date. None where it is none."""
    try:
        return datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def unavailable() -> ApiError:
    """The error where a service cannot be reached: 503."""
    message = "The store is not available."
    return ApiError(message, status=503, type="server_error", code="server_error", retry_after_s=1.0)


def _error(status: int, body: bytes) -> AwsError:
    try:
        refusal = _refusal(body)
    except msgspec.MsgspecError:
        return AwsError("UnknownError", f"status {status}", status)
    kind = refusal.kind.rpartition("#")[2].partition(":")[0] or "UnknownError"
    return AwsError(kind, refusal.message or refusal.other_message, status)
