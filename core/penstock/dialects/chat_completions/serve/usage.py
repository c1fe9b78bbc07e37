"""What a reply to a chat client reports at its end: its usage, and why each choice has ended."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.wire import IncompleteReason, Usage

from .replies import ChatUsage, CompletionDetails, FinishReason, PromptDetails
from .turns import Generation

_REASONS: dict[IncompleteReason, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}


def finish_reason(incomplete: IncompleteReason | None, *, has_calls: bool) -> FinishReason:
    """Why a choice has ended."""
    if incomplete is not None:
        return _REASONS[incomplete]
    return "tool_calls" if has_calls else "stop"


def sum_usage(generation: Generation, usages: Sequence[Usage | None]) -> ChatUsage:
    """The usage of all choices together. The tokens of a prompt count once, whatever the number of its choices."""
    total = ChatUsage(prompt_tokens_details=PromptDetails(), completion_tokens_details=CompletionDetails())
    for index, usage in enumerate(usages):
        if usage is None:
            continue
        if index % generation.choices_per_prompt == 0:
            own = generation.prompt_tokens[index]
            total.prompt_tokens += usage.input_tokens if own is None else own
            total.prompt_tokens_details.cached_tokens += usage.input_tokens_details.cached_tokens
        total.completion_tokens += usage.output_tokens
        total.completion_tokens_details.reasoning_tokens += usage.output_tokens_details.reasoning_tokens
    total.total_tokens = total.prompt_tokens + total.completion_tokens
    return total
