"""Deltas as a whole completion: the reply to a client that does not stream.

It collects the deltas of each choice, in any split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from penstock.dialects.chat_completions.wire import CalledFunction
from penstock.json_codec import encode
from penstock.transcript.deltas import (
    Delta,
    Finish,
    ReasoningDelta,
    ReasoningRun,
    RefusalDelta,
    TextDelta,
    TextRun,
    ToolCallDelta,
    UsageDelta,
)
from penstock.wire import UNSET, IncompleteReason, Logprob, Usage

from .logprobs import text_logprobs
from .replies import (
    ChatChoice,
    ChatLogprobs,
    ChatUsage,
    Completion,
    SentCall,
    SentMessage,
    TextChoice,
)
from .turns import Generation
from .usage import finish_reason, sum_usage


class _Call(msgspec.Struct):
    """A call, as far as it was read."""

    id: str = ""
    name: str = ""
    arguments: list[str] = []


class _Collected(msgspec.Struct):
    """The deltas of one choice."""

    texts: list[str] = []
    refusals: list[str] = []
    thoughts: list[str] = []
    calls: dict[int, _Call] = {}
    logprobs: list[Logprob] = []
    usage: Usage | None = None
    incomplete: IncompleteReason | None = None

    def text(self, delta: TextDelta) -> None:
        """Add a text."""
        self.texts.append(delta.text)
        self.logprobs += delta.logprobs

    def call(self, delta: ToolCallDelta) -> None:
        """Add a piece of a call."""
        call = self.calls.setdefault(delta.index, _Call())
        call.id = delta.call_id or call.id
        call.name = delta.name or call.name
        call.arguments.append(delta.arguments)

    def finish(self, delta: Finish) -> None:
        """Note how the choice has ended."""
        self.incomplete = delta.incomplete


_COLLECT: dict[type[Any], Callable[[_Collected, Any], None]] = {
    TextDelta: _Collected.text,
    TextRun: lambda collected, run: collected.texts.extend(run.texts),
    RefusalDelta: lambda collected, delta: collected.refusals.append(delta.text),
    ReasoningDelta: lambda collected, delta: collected.thoughts.append(delta.text),
    ReasoningRun: lambda collected, run: collected.thoughts.extend(run.texts),
    ToolCallDelta: _Collected.call,
    UsageDelta: lambda collected, delta: setattr(collected, "usage", delta.usage),
    Finish: _Collected.finish,
}


class CompletionWriter:
    """Collects the deltas of each choice, and writes the reply."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._choices = [_Collected() for _ in generation.turns]

    def add(self, choice: int, deltas: Sequence[Delta]) -> None:
        """Add deltas of a choice."""
        for delta in deltas:
            if collect := _COLLECT.get(type(delta)):
                collect(self._choices[choice], delta)

    def usage(self) -> ChatUsage:
        """The usage of all choices, when all their deltas were added."""
        return sum_usage(self._generation, [choice.usage for choice in self._choices])

    def incomplete(self) -> IncompleteReason | None:
        """Why a choice is incomplete, if one is."""
        return next((choice.incomplete for choice in self._choices if choice.incomplete), None)

    def write(self, *, id: str, created: int) -> bytes:
        """The reply, when all deltas were added."""
        generation = self._generation
        is_chat = generation.kind == "chat"
        return encode(
            Completion(
                id=id,
                object="chat.completion" if is_chat else "text_completion",
                created=created,
                model=generation.model,
                choices=self._chat_choices() if is_chat else self._text_choices(),
                usage=self.usage(),
            )
        )

    def _chat_choices(self) -> list[ChatChoice]:
        return [
            ChatChoice(
                index=index,
                message=_message(choice, includes_reasoning=self._generation.includes_reasoning),
                logprobs=ChatLogprobs(content=choice.logprobs) if choice.logprobs else None,
                finish_reason=finish_reason(choice.incomplete, has_calls=bool(choice.calls)),
            )
            for index, choice in enumerate(self._choices)
        ]

    def _text_choices(self) -> list[TextChoice]:
        return [
            TextChoice(
                index=index,
                text="".join(choice.texts),
                logprobs=text_logprobs(choice.logprobs, 0) if choice.logprobs else None,
                finish_reason=finish_reason(choice.incomplete, has_calls=False),
            )
            for index, choice in enumerate(self._choices)
        ]


def _message(choice: _Collected, *, includes_reasoning: bool) -> SentMessage:
    thought = "".join(choice.thoughts) if includes_reasoning else ""
    return SentMessage(
        content="".join(choice.texts) if choice.texts or not choice.calls else None,
        refusal="".join(choice.refusals) or None,
        reasoning_content=thought or UNSET,
        reasoning=thought or UNSET,
        tool_calls=[_sent(call) for call in choice.calls.values()] or UNSET,
    )


def _sent(call: _Call) -> SentCall:
    return SentCall(id=call.id, function=CalledFunction(name=call.name, arguments="".join(call.arguments)))
