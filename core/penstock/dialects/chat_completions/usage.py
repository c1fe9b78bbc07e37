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
    thinking_tokens: int | None = None


class ReadUsage(msgspec.Struct, kw_only=True):
    """What a call cost, in tokens: by OpenAI's names, and by those of Anthropic, DeepSeek, Gemini, Kimi and others.

    The names with capitals are Gemini's own, and those of gateways.
    """

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
    thoughts_token_count: int | None = None
    prompt_token_count: int | None = msgspec.field(default=None, name="promptTokenCount")
    candidates_token_count: int | None = msgspec.field(default=None, name="candidatesTokenCount")
    thoughts_count: int | None = msgspec.field(default=None, name="thoughtsTokenCount")
    cached_count: int | None = msgspec.field(default=None, name="cachedContentTokenCount")
    total_count: int | None = msgspec.field(default=None, name="totalTokenCount")
    prompt: int | None = msgspec.field(default=None, name="promptTokens")
    completion: int | None = msgspec.field(default=None, name="completionTokens")
    total: int | None = msgspec.field(default=None, name="totalTokens")
    token_count: int | None = msgspec.field(default=None, name="prompt_token_count")
    candidate_count: int | None = msgspec.field(default=None, name="candidates_token_count")
    total_token_count: int | None = None
    bedrock_input: int | None = msgspec.field(default=None, name="inputTokens")
    bedrock_output: int | None = msgspec.field(default=None, name="outputTokens")
    bedrock_cached: int | None = msgspec.field(default=None, name="cacheReadInputTokens")
    num_cached_tokens: int | None = None


class ReadTimings(msgspec.Struct, kw_only=True):
    """What llama.cpp counts, where it reports no usage: `prompt_n` is without the tokens of its cache."""

    prompt_n: int | None = None
    predicted_n: int | None = None
    cache_n: int | None = None

    @property
    def usage(self) -> ReadUsage:
        """The same as usage."""
        cached = self.cache_n or 0
        prompt_tokens = None if self.prompt_n is None else self.prompt_n + cached
        return ReadUsage(prompt_tokens=prompt_tokens, completion_tokens=self.predicted_n, cached_tokens=cached)


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


class UsageReader:
    """Reads the usage of one reply, which may come in parts, or with each chunk."""

    _read: ReadUsage | None = None

    def read(self, read: ReadUsage) -> Usage | None:
        """The cost so far; None where nothing new is known of it, or the input or the output is not known."""
        # spec: odd-usage
        if self._read is not None and not (read.prompt_tokens and read.completion_tokens):
            read = _merged(self._read, read)
            if read == self._read:
                return None
        self._read = read
        return read_usage(read)


def _merged(before: ReadUsage, after: ReadUsage) -> ReadUsage:
    """The later counts, and the earlier ones where there are no later ones, or zeros."""
    names = ReadUsage.__struct_fields__
    return ReadUsage(**{name: getattr(after, name) or getattr(before, name) for name in names})


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
        read.cached_count,
        read.bedrock_cached,
        read.num_cached_tokens,
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
    both, reasoning = _sum(read), _reasoning(read)
    # spec: odd-usage
    if reasoning and both == input_tokens + output_tokens + reasoning:
        output_tokens += reasoning  # xAI and Gemini count an answer without its thoughts
    return _usage(input_tokens, output_tokens, both, cached=cached or 0, written=written or 0, reasoning=reasoning)


def _usage(
    before: int, after: int, both: int | None, *, cached: int = 0, written: int = 0, reasoning: int = 0
) -> Usage:
    return Usage(
        input_tokens=before,
        input_tokens_details=InputTokensDetails(cached_tokens=cached, cache_write_tokens=written),
        output_tokens=after,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=reasoning),
        total_tokens=max(_count(both) or 0, before + after),
    )


def _totals(read: ReadUsage) -> tuple[int | None, int | None]:
    """The tokens of the input and of the output. One that is not known is what is left of the sum of both."""
    before = _first(read.prompt_tokens, *_other_inputs(read))
    after = _first(read.completion_tokens, read.output_tokens, *_other_outputs(read))
    both = _count(_sum(read))
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


def _sum(read: ReadUsage) -> int | None:
    return _first(read.total_tokens, read.total_count, read.total_token_count, read.total)


def _other_inputs(read: ReadUsage) -> tuple[int | None, ...]:
    return (_anthropic_input(read), read.prompt_token_count, read.token_count, read.prompt, read.bedrock_input)


def _other_outputs(read: ReadUsage) -> tuple[int | None, ...]:
    return (read.candidates_token_count, read.candidate_count, read.completion, read.bedrock_output)


def _reasoning(read: ReadUsage) -> int:
    details = read.completion_tokens_details or read.output_tokens_details or _NO_COMPLETION_DETAILS
    counts = (details.reasoning_tokens, details.thinking_tokens, read.reasoning_tokens)
    return _first(*counts, read.thoughts_token_count, read.thoughts_count) or 0


def _first(*counts: int | None) -> int | None:
    """The first count that is one; a zero only where nothing else is known."""
    for count in filter(None, counts):
        if 0 < count < _COUNT_MAX:
            return count
    return 0 if 0 in counts else None


def _count(reported: int | None) -> int | None:
    return reported if reported is not None and 0 <= reported < _COUNT_MAX else None
