"""Load: the times of answers under load, and the engines that the requests share.

`penstock.dialects.synthetic.batching` decides which requests run. This module gives their answers times: the first
token waits for its turn and for the input to be computed, and the more requests run, the slower is each of them.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf

from msgspec.structs import replace

from penstock.dialects.synthetic import Answer
from penstock.dialects.synthetic.batching import Batch, Capacity, LoadFacts
from penstock.dialects.synthetic.draws import Draws
from penstock.dialects.synthetic.options import SyntheticOptions

from .pacing import Gap, Pace, gaps

_ENGINES_MAX = 100
_PREFILL_TOKENS = 1000
"""`prefill_ms` is the time of so many tokens."""


class Engines:
    """The engines by their capacity. Requests that ask for the same capacity share one."""

    def __init__(self) -> None:
        self._batches: OrderedDict[Capacity, Batch] = OrderedDict()
        self._totals = LoadFacts()

    def pace(self, answer: Answer, options: SyntheticOptions, draws: Draws, arrived_s: float, tokens: int) -> Pace:
        """The times of an answer to a request that arrived at `arrived_s`, with so many tokens in each delta."""
        first_s = draws.draw("ttft_ms", options.ttft_ms) / 1000
        gap_s = gaps(options.itl_ms, draws.random("itl_ms"), tokens)
        if not options.is_batched:
            return Pace(arrived_s + first_s, gap_s, self._totals.lag_s)
        return BatchedPace(answer, options, self._batch(options), first_s, gap_s, tokens)

    def facts(self) -> LoadFacts:
        """The load now."""
        batches = self._batches.values()
        return replace(
            self._totals,
            running=sum([batch.running for batch in batches]),
            waiting=sum([batch.waiting for batch in batches]),
            kv_usage=max([batch.kv_usage for batch in batches], default=0.0),
        )

    def _batch(self, options: SyntheticOptions) -> Batch:
        """The engine of these options. Idle ones that were not used for the longest time are given up."""
        capacity = Capacity(options.batch_max, options.kv_tokens, options.cache_tokens)
        batch = self._batches.pop(capacity, None) or Batch(capacity, self._totals)
        self._batches[capacity] = batch
        if len(self._batches) > _ENGINES_MAX:
            idle = [key for key, other in self._batches.items() if not other.running and other is not batch]
            for key in idle[:1]:
                del self._batches[key]
        return batch


class BatchedPace(Pace):
    """The times of an answer while its engine has other requests. It is a `BatchMember` of it."""

    def __init__(
        self, answer: Answer, options: SyntheticOptions, batch: Batch, first_s: float, gap_s: Gap, tokens: int
    ) -> None:
        super().__init__(inf, gap_s, batch.totals.lag_s)
        self.held_tokens = answer.input_tokens
        self.blocks = answer.blocks
        self._answer = answer
        self._batch = batch
        self._first_s = first_s
        self._token_s = options.prefill_ms / _PREFILL_TOKENS / 1000
        self._slope_s = options.itl_slope_ms * tokens / 1000
        self._tokens = tokens
        batch.add(self)

    def started(self, cached_tokens: int) -> None:
        """It runs: its next token is due when its input is computed, and after a preemption its output too."""
        self.due_s = self.loop.time() + (self.held_tokens - cached_tokens) * self._token_s
        if self.held_tokens == self._answer.input_tokens:
            self._answer.cached_tokens = cached_tokens
            self.due_s += self._first_s
        self._put()

    def preempted(self) -> None:
        """It waits for its turn."""
        super().close()
        self.due_s = inf

    def advance(self) -> None:
        """A delta is there. The next one is due later by what each other request costs."""
        super().advance()
        self.due_s += self._slope_s * (self._batch.running - 1)
        self._batch.grow(self, self._tokens)

    def close(self) -> None:
        """It leaves its engine."""
        super().close()
        self._batch.remove(self)
