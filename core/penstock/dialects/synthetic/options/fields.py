"""The fields: every option with its type, its bounds, its default and a line of help.

A new option is a new field here: the grammar, `penstock synthetic --describe` and the documents read this struct. It
knows no text and no request.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .distributions import Constant, Distribution

_TOKENS_MAX = 1_000_000_000
_MS_MAX = 3_600_000
"""An hour."""
_SECONDS_MAX = 86_400
"""A day."""
_EVENTS_MAX = 1_000_000_000
_REQUESTS_MAX = 1_000_000_000
_SEED_MAX = 2**53 - 1
"""The largest number that every JSON library reads exactly."""

_NOTHING = Constant(value=0.0)


class SyntheticOptions(msgspec.Struct, kw_only=True, frozen=True):
    """All options. The defaults are the model without options: it answers at once, and has no fault."""

    seed: Annotated[
        int | None, Meta(ge=0, le=_SEED_MAX, description="Varies the text, and everything that is drawn at random.")
    ] = None
    tokens: Annotated[
        Distribution | None, Meta(ge=0, le=_TOKENS_MAX, description="The tokens of the answer's text.")
    ] = None
    reasoning_tokens: Annotated[
        Distribution | None, Meta(ge=0, le=_TOKENS_MAX, description="The tokens of the reasoning before it.")
    ] = None
    tokens_per_delta: Annotated[
        int, Meta(ge=1, le=1_000, description="How many tokens each delta of a stream has.")
    ] = 1
    tool_call_rate: Annotated[
        float | None,
        Meta(
            ge=0,
            le=1,
            description="The share of requests with tools, and without results, that are answered by a call.",
        ),
    ] = None
    context: Annotated[
        int | None,
        Meta(ge=1, le=_TOKENS_MAX, description="The size of the context in tokens. A longer input is an error."),
    ] = None

    ttft_ms: Annotated[Distribution, Meta(ge=0, le=_MS_MAX, description="The time to the first token.")] = _NOTHING
    itl_ms: Annotated[Distribution, Meta(ge=0, le=_MS_MAX, description="The time from each token to the next.")] = (
        _NOTHING
    )
    prefill_ms: Annotated[
        float, Meta(ge=0, le=_MS_MAX, description="Adds to `ttft_ms` for every 1,000 input tokens that are not cached.")
    ] = 0
    itl_slope_ms: Annotated[
        float, Meta(ge=0, le=_MS_MAX, description="Adds to `itl_ms` for every other request that is running.")
    ] = 0
    batch_max: Annotated[
        int | None, Meta(ge=1, le=_REQUESTS_MAX, description="How many requests run at a time. Others wait in a queue.")
    ] = None
    kv_tokens: Annotated[
        int | None,
        Meta(
            ge=1, le=_TOKENS_MAX, description="The capacity of the KV cache. Requests that do not fit wait in a queue."
        ),
    ] = None
    cache_tokens: Annotated[
        int, Meta(ge=0, le=_TOKENS_MAX, description="The capacity of the prefix cache. 0 is none.")
    ] = 0

    error: Annotated[
        int | None, Meta(ge=400, le=599, description="The status of requests that fail. It is 500 by default.")
    ] = None
    error_rate: Annotated[float | None, Meta(ge=0, le=1, description="The share of requests that fail.")] = None
    error_count: Annotated[int | None, Meta(ge=0, le=_REQUESTS_MAX, description="How many requests fail at most.")] = (
        None
    )
    retry_after: Annotated[
        float | None,
        Meta(ge=0, le=_SECONDS_MAX, description="The seconds after which a failed request may be sent again."),
    ] = None
    fail_at: Annotated[
        int | None,
        Meta(ge=0, le=_EVENTS_MAX, description="The response fails: event n is `response.failed`, the last one."),
    ] = None
    error_at: Annotated[
        int | None, Meta(ge=0, le=_EVENTS_MAX, description="The stream ends with event n, which is an `error` event.")
    ] = None
    disconnect_at: Annotated[
        int | None, Meta(ge=0, le=_EVENTS_MAX, description="The connection is cut after n events.")
    ] = None
    stall_at: Annotated[int | None, Meta(ge=0, le=_EVENTS_MAX, description="The stream pauses before event n.")] = None
    stall_ms: Annotated[Distribution, Meta(ge=0, le=_MS_MAX, description="How long that pause is.")] = _NOTHING
    malformed_at: Annotated[int | None, Meta(ge=0, le=_EVENTS_MAX, description="The JSON of event n is broken.")] = None
    duplicate_at: Annotated[int | None, Meta(ge=0, le=_EVENTS_MAX, description="Event n is sent twice.")] = None
    reorder_at: Annotated[
        int | None, Meta(ge=0, le=_EVENTS_MAX, description="Event n is sent after the event that follows it.")
    ] = None
    head_ms: Annotated[Distribution, Meta(ge=0, le=_MS_MAX, description="The time until the head of the reply.")] = (
        _NOTHING
    )

    @property
    def is_timed(self) -> bool:
        """Whether any delta of an answer has to wait."""
        return self.ttft_ms != _NOTHING or self.itl_ms != _NOTHING or self.is_batched

    @property
    def is_batched(self) -> bool:
        """Whether requests share an engine: others make an answer slower, or its input faster to compute."""
        limits = (self.batch_max, self.kv_tokens)
        return limits != (None, None) or (self.prefill_ms + self.itl_slope_ms + self.cache_tokens) > 0


DEFAULTS = SyntheticOptions()
"""The model without options."""
