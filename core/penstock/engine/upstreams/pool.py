"""The pool: all upstreams of one model as one upstream. It tries them in order until one accepts the request.

It knows the order, the number of attempts, and when not to retry: never after the first byte, and never a request that
was rejected for its contents. It never reads a request or a reply.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from itertools import groupby, repeat
from random import Random
from typing import Any, TypeAlias, TypeVar

import msgspec

from penstock.errors import ApiError, unavailable, untraced
from penstock.limits import Limits
from penstock.ports import AttemptFailed, Deltas, Health, HttpReply, PassthroughRequest, RequestRejected, Turn, Upstream
from penstock.secrets import Secret
from penstock.telemetry import Blame, current
from penstock.wire import Model

from .breaker import Breaker, Failure

_log = logging.getLogger("penstock.pool")

_JITTER = (0.5, 1.5)
"""The factors between which the wait before another attempt is drawn."""

T = TypeVar("T")
Asked = TypeVar("Asked", Turn, PassthroughRequest)


_REPORT_HEALTH: dict[Health, Callable[[Breaker, int, Failure], None]] = {
    "well": lambda breaker, ticket, _: breaker.answered(ticket),
    "sick": Breaker.failed,
    "unknown": lambda breaker, ticket, _: breaker.dropped(ticket),
}


_KEY_REFUSED = frozenset({401, 403})


def _blame(refusal: RequestRejected) -> Blame:
    """Whose fault it is. Without a reply and a doubt about the upstream, all connections were in use."""
    if refusal.status < 500 and refusal.status != 429:
        return "client"
    has_no_connection = refusal.upstream_status is None and refusal.health == "unknown"
    return "server" if has_no_connection or refusal.upstream_status in _KEY_REFUSED else "upstream"


def _report_failed(error: BaseException, breaker: Breaker, ticket: int, failure: Failure) -> None:
    """Report a failed attempt to the breaker and to the record. `failure` counts where the request is not its cause."""
    record = current()
    if isinstance(error, RequestRejected):
        if error.provoked_by is not None:
            failure = Failure(failure.client, error.provoked_by)
        _REPORT_HEALTH[error.health](breaker, ticket, failure)
        record.upstream_failed(_blame(error))
        return
    breaker.dropped(ticket)
    if isinstance(error, ApiError):
        record.upstream_failed("upstream" if error.status >= 500 else "client")


class Member(msgspec.Struct, kw_only=True, frozen=True):
    """An upstream in a pool."""

    upstream: Upstream
    breaker: Breaker
    model: str
    """Its own name for the pool's model."""
    takes_bearer: bool
    rank: tuple[int, int]
    """Members of a lower rank are tried first; those of the same rank share the requests by weight."""
    weight: float

    def address(self, asked: Asked, head_s: float | None) -> Asked:
        """The turn or request for this member. It gets the client's key only if no other key is configured for it."""
        bearer = asked.bearer if self.takes_bearer else None
        if asked.model == self.model and asked.bearer is bearer and asked.head_s == head_s:
            return asked
        return msgspec.structs.replace(asked, model=self.model, bearer=bearer, head_s=head_s)


Ask: TypeAlias = Callable[[Member, float | None], Awaitable[T]]
"""Sends a request to a member, with the seconds until the head of its reply. Raises `AttemptFailed`, or `ApiError`."""


class Pool:
    """The upstreams of one model, best first."""

    def __init__(self, members: Sequence[Member], limits: Limits, random: Random) -> None:
        self._members = members
        self._limits = limits
        self._random = random

    def open(self, turn: Turn) -> Coroutine[Any, Any, Deltas]:
        """Begin the turn at the first member that accepts it. Raises `ApiError`."""
        return self._persist(
            lambda member, head_s: member.upstream.open(member.address(turn, head_s)),
            stream=turn.stream,
            client=turn.client,
        )

    async def relay(self, request: PassthroughRequest) -> HttpReply:
        """The reply of the first member that accepts the request, or else the last error reply. Raises `ApiError`."""
        try:
            return await self._persist(
                lambda member, head_s: member.upstream.relay(member.address(request, head_s)),
                stream=request.stream,
                client=request.client,
            )
        except AttemptFailed as refusal:
            if refusal.reply is None:
                raise
            return refusal.reply

    async def models(self, bearer: Secret | None) -> list[Model]:
        """The models, from the first member that lists them. Raises `ApiError`."""
        return await self._persist(
            lambda member, _: member.upstream.models(bearer if member.takes_bearer else None), stream=True
        )

    async def count_tokens(self, turn: Turn) -> int | None:
        """The tokens of a turn's input, from the first member that counts. Raises `ApiError`."""
        return await self._persist(
            lambda member, _: member.upstream.count_tokens(member.address(turn, None)),
            stream=True,
            client=turn.client,
        )

    async def context_tokens(self, model: str, bearer: Secret | None) -> int | None:
        """The smallest known context of the members: any of them may get the turn."""
        sizes = [await self._context_tokens(member, bearer) for member in self._members]
        return min((size for size in sizes if size is not None), default=None)

    async def aclose(self) -> None:
        """Close the members."""
        for member in self._members:
            await member.upstream.aclose()

    async def _persist(self, ask: Ask[T], *, stream: bool, client: str = "") -> T:
        """The result of the first member that accepts. One that may accept later is tried again after the others."""
        queue = deque(zip(self._in_order(), repeat(0)))
        attempts = 0
        refusals: list[AttemptFailed] = []
        record = current()
        identity = object()  # of the failure, where its cause is not the request
        while queue and attempts < self._limits.attempts_max:
            member, tries = queue.popleft()
            ticket = member.breaker.admit(client)
            if ticket is None:
                continue
            attempts += 1
            head_s = self._head_s(stream) if queue and self._has_others(queue, attempts, client) else None
            record.upstream = member.breaker.name
            record.attempts += 1
            record.retries += attempts > 1
            try:
                if tries:
                    await asyncio.sleep(self._backoff_s(tries))
                answer = await ask(member, head_s)
            except BaseException as error:
                _report_failed(error, member.breaker, ticket, Failure(client, identity))
                if not isinstance(error, AttemptFailed):
                    raise
                refusals = [untraced(error)]
                if error.again and tries < self._limits.retries_max:
                    queue.append((member, tries + 1))
            else:
                member.breaker.answered(ticket)
                return answer
        raise refusals.pop() if refusals else self._all_open(client)  # a frame that refers to its exception is a cycle

    def _has_others(self, queue: Collection[tuple[Member, int]], attempts: int, client: str) -> bool:
        """Whether another member could be tried instead."""
        if attempts >= self._limits.attempts_max:
            return False
        return any(member.breaker.wait_s(client) == 0 for member, _ in queue)

    async def _context_tokens(self, member: Member, bearer: Secret | None) -> int | None:
        try:
            return await member.upstream.context_tokens(member.model, bearer if member.takes_bearer else None)
        except ApiError as error:
            if len(self._members) == 1:
                raise
            _log.info("upstream %s does not report the size of its contexts: %s", member.breaker.name, error)
            return None

    def _in_order(self) -> Sequence[Member]:
        """By rank; within one rank, a member of twice the weight comes first twice as often."""
        if len(self._members) == 1:
            return self._members
        ordered: list[Member] = []
        for _, sharing in groupby(self._members, key=lambda member: member.rank):
            ordered += sorted(sharing, key=self._draw)
        return ordered

    def _draw(self, member: Member) -> float:
        """A random arrival time, for `weight` arrivals per second on average."""
        return self._random.expovariate(member.weight)

    def _head_s(self, stream: bool) -> float:
        return self._limits.stream_head_s if stream else self._limits.whole_head_s

    def _backoff_s(self, tries: int) -> float:
        """It doubles each time, and varies by half, so that requests that failed together are not repeated together."""
        return self._limits.retry_backoff_s * 2.0 ** (tries - 1) * self._random.uniform(*_JITTER)

    def _all_open(self, client: str) -> ApiError:
        wait_s = min(member.breaker.wait_s(client) for member in self._members)
        return unavailable("The upstream has failed too often in a row; no requests are sent to it for now.", wait_s)
