"""Continuous batching: which requests run, which wait, and what the KV cache and the prefix cache hold.

It is the model of an inference engine, in tokens alone. A request waits in a queue until the batch and the KV cache
have room for it. While it runs, each token of its output takes room. Where there is none left, the request that began
last is preempted: it gives up its room, waits at the head of the queue, and later computes all of its tokens again. It
knows no time: `BatchMember` does.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Protocol

import msgspec

from penstock.telemetry.metrics.registry import STREAM_LAG
from penstock.telemetry.metrics.values import Histogram, empty_histogram

from .tokens import TOKEN_BYTES

BLOCK_TOKENS = 16
"""The prefix cache holds whole blocks of so many tokens."""
_BLOCK_CHARS = BLOCK_TOKENS * TOKEN_BYTES


class Capacity(msgspec.Struct, frozen=True):
    """What an engine has room for. None is no limit, and a prefix cache of 0 tokens is none."""

    requests: int | None = None
    kv_tokens: int | None = None
    cache_tokens: int = 0


class LoadFacts(msgspec.Struct):
    """The load of engines. What ends with `_total` only grows."""

    running: int = 0
    waiting: int = 0
    kv_usage: float = 0.0
    """The share of the KV cache that is in use, from 0 to 1. Of several engines, that of the fullest one."""
    preemptions_total: int = 0
    cache_queries_total: int = 0
    """The tokens that were searched for in the prefix cache."""
    cache_hits_total: int = 0
    """Those of them that were found."""
    lag_s: Histogram = msgspec.field(default_factory=lambda: empty_histogram(STREAM_LAG))
    """How late tokens were, where they have times."""


class BatchMember(Protocol):
    """A request in the queue or in the batch."""

    held_tokens: int
    """The tokens of its input, and of its output so far."""
    blocks: Sequence[int]
    """The hashes of its input, as `block_hashes` makes them."""

    def started(self, cached_tokens: int) -> None:
        """It runs from now on. The cached tokens are not computed again."""

    def preempted(self) -> None:
        """It waits again."""


class Batch:
    """One engine. `totals` are counted by all engines together."""

    def __init__(self, capacity: Capacity, totals: LoadFacts) -> None:
        self._requests_max = float("inf") if capacity.requests is None else capacity.requests
        self._kv_tokens_max = float("inf") if capacity.kv_tokens is None else capacity.kv_tokens
        self._kv_tokens = 0
        self.totals = totals
        self._cache = PrefixCache(capacity.cache_tokens)
        self._waiting: deque[BatchMember] = deque()
        self._running: dict[BatchMember, None] = {}
        """In the order in which they began."""

    @property
    def running(self) -> int:
        """How many requests run."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def kv_usage(self) -> float:
        """The share of the KV cache that is in use."""
        return min(1.0, self._kv_tokens / self._kv_tokens_max)

    def add(self, member: BatchMember) -> None:
        """A request arrives. It starts at once if there is room."""
        self._waiting.append(member)
        self._start()

    def grow(self, member: BatchMember, tokens: int) -> None:
        """A request that runs has so many further tokens. Others are preempted for it, or it is."""
        member.held_tokens += tokens
        self._kv_tokens += tokens
        while self._kv_tokens > self._kv_tokens_max and len(self._running) > 1:
            # spec: synthetic-load
            last, _ = self._running.popitem()
            self._kv_tokens -= last.held_tokens
            self._waiting.appendleft(last)
            self.totals.preemptions_total += 1
            last.preempted()
            if last is member:
                return

    def remove(self, member: BatchMember) -> None:
        """A request has ended, or its client has left. Calling it again does nothing."""
        if member in self._running:
            del self._running[member]
            self._kv_tokens -= member.held_tokens
        elif member in self._waiting:
            self._waiting.remove(member)
        self._start()

    def _start(self) -> None:
        """Start requests in the order of the queue, while there is room. A request that is too large runs alone."""
        while self._waiting and self._has_room(self._waiting[0]):
            member = self._waiting.popleft()
            self._running[member] = None
            self._kv_tokens += member.held_tokens
            member.started(self._cached(member))

    def _has_room(self, member: BatchMember) -> bool:
        if not self._running:
            return True
        fits = self._kv_tokens + member.held_tokens <= self._kv_tokens_max
        return fits and len(self._running) < self._requests_max

    def _cached(self, member: BatchMember) -> int:
        """The tokens of the input that need not be computed. The last token always is."""
        if not member.blocks:
            return 0
        found = min(self._cache.take(member.blocks), member.held_tokens - 1)
        self.totals.cache_queries_total += member.held_tokens
        self.totals.cache_hits_total += found
        return found


class PrefixCache:
    """The blocks of recent inputs. The blocks that were used the longest time ago are evicted first."""

    def __init__(self, tokens_max: int) -> None:
        self._blocks_max = tokens_max // BLOCK_TOKENS
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def take(self, blocks: Sequence[int]) -> int:
        """The tokens at the beginning of an input that are cached. All its blocks are cached from now on."""
        found = next((at for at, block in enumerate(blocks) if block not in self._blocks), len(blocks))
        for block in reversed(blocks):  # the first ones are the last to be evicted: others are of no use without them
            self._blocks[block] = None
            self._blocks.move_to_end(block)
        while len(self._blocks) > self._blocks_max:
            self._blocks.popitem(last=False)
        return found * BLOCK_TOKENS


def block_hashes(text: str, tokens_max: int) -> list[int]:
    """The hash of each whole block at the beginning of a text, and of all before it. They differ between processes."""
    before = 0
    hashes: list[int] = []
    for at in range(_BLOCK_CHARS, min(len(text), tokens_max * TOKEN_BYTES) + 1, _BLOCK_CHARS):
        before = hash((before, text[at - _BLOCK_CHARS : at]))
        hashes.append(before)
    return hashes
