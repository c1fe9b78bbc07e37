"""Log probabilities as completions have them: lists with an entry for each token."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.wire import Logprob

from .replies import TextLogprobs


def text_logprobs(logprobs: Sequence[Logprob], offset: int) -> TextLogprobs:
    """The log probabilities of tokens, the first of which begins at the character `offset` of the text."""
    offsets: list[int] = []
    for each in logprobs:
        offsets.append(offset)
        offset += len(each.token)
    return TextLogprobs(
        text_offset=offsets,
        token_logprobs=[each.logprob for each in logprobs],
        tokens=[each.token for each in logprobs],
        top_logprobs=[_top(each) for each in logprobs],
    )


def _top(logprob: Logprob) -> dict[str, float]:
    return {each.token: each.logprob for each in (*(logprob.top_logprobs or ()), logprob)}
