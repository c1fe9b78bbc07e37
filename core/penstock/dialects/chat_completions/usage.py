"""What a turn cost, by any of the names that backends have for it."""

from operator import attrgetter

import msgspec

from penstock.wire import InputTokensDetails, OutputTokensDetails, Usage

_COUNT_MAX = 2**53
"""More than this is no count of tokens, and no number that every client can read."""


class ReadPromptDetails(msgspec.Struct, kw_only=True):
    """Where the prompt's tokens came from."""

    cached_tokens: int | None = None
    cached_content_token_count: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class ReadCompletionDetails(msgspec.Struct, kw_only=True):
    """What the completion's tokens were."""

    reasoning_tokens: int | None = None


class ReadUsage(msgspec.Struct, kw_only=True):
    """What a call cost, in tokens: by OpenAI's names, and by those of Anthropic, DeepSeek, Gemini, Kimi and others."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: ReadPromptDetails | None = None
    input_tokens_details: ReadPromptDetails | None = None
    completion_tokens_details: ReadCompletionDetails | None = None
    output_tokens_details: ReadCompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cached_content_token_count: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


_OTHERS = attrgetter(
    *[
        name
        for name in ReadUsage.__struct_fields__
        if name not in ("prompt_tokens", "completion_tokens", "total_tokens")
    ]
)
"""The names that few backends have counts for."""
_NO_PROMPT_DETAILS = ReadPromptDetails()
_NO_COMPLETION_DETAILS = ReadCompletionDetails()


def read_usage(read: ReadUsage) -> Usage | None:
    """The cost of a turn; None where the input or the output was not counted, so that both are estimated."""
    before, after = read.prompt_tokens, read.completion_tokens
    if before and after and before > 0 < after and max(before, after) < _COUNT_MAX and not any(_OTHERS(read)):
        return _usage(before, after, read.total_tokens)
    details = read.prompt_tokens_details or read.input_tokens_details or _NO_PROMPT_DETAILS
    # spec: odd-usage
    cached = _first(
        details.cached_tokens,
        details.cached_content_token_count,
        read.prompt_cache_hit_tokens,
        read.cache_read_input_tokens,
        read.cached_tokens,
        read.cached_content_token_count,
    )
    written = _first(
        details.cache_write_tokens,
        details.cache_creation_tokens,
        details.cache_creation_input_tokens,
        read.cache_creation_input_tokens,
    )
    input_tokens, output_tokens = _totals(read)
    if input_tokens is None or output_tokens is None:
        return None
    return _usage(
        input_tokens,
        output_tokens,
        read.total_tokens,
        cached=cached or 0,
        written=written or 0,
        reasoning=_reasoning(read),
    )


def _usage(
    before: int, after: int, both: int | None, *, cached: int = 0, written: int = 0, reasoning: int = 0
) -> Usage:
    return Usage(
        input_tokens=before,
        input_tokens_details=InputTokensDetails(cached_tokens=cached, cache_write_tokens=written),
        output_tokens=after,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=reasoning),
        total_tokens=_count(both) or before + after,
    )


def _totals(read: ReadUsage) -> tuple[int | None, int | None]:
    """The tokens of the input and of the output. One that is not known is what is left of the sum of both."""
    before = _first(read.prompt_tokens, _anthropic_input(read))
    after = _first(read.completion_tokens, read.output_tokens)
    both = _count(read.total_tokens)
    # spec: odd-usage
    if both is not None and after is not None and before is None:
        before = max(0, both - after)
    if both is not None and before is not None and after is None:
        after = max(0, both - before)
    return before, after


def _anthropic_input(read: ReadUsage) -> int | None:
    """Anthropic counts what was read from and written to its cache beside `input_tokens`."""
    fresh = _count(read.input_tokens)
    if fresh is None:
        return None
    return fresh + (_count(read.cache_read_input_tokens) or 0) + (_count(read.cache_creation_input_tokens) or 0)


def _reasoning(read: ReadUsage) -> int:
    details = read.completion_tokens_details or read.output_tokens_details or _NO_COMPLETION_DETAILS
    return _first(details.reasoning_tokens, read.reasoning_tokens) or 0


def _first(*counts: int | None) -> int | None:
    """The first count that is one; a zero only where nothing else is known."""
    for count in filter(None, counts):
        if 0 < count < _COUNT_MAX:
            return count
    return 0 if 0 in counts else None


def _count(reported: int | None) -> int | None:
    return reported if reported is not None and 0 <= reported < _COUNT_MAX else None
