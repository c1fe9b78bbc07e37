"""Items as the messages of a Chat Completions request.

It knows how turns of the assistant gather its thoughts, text and calls, and that every call is followed by its output.
It reads tool families through `penstock.tool_calls` alone, so that none is named here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from penstock.errors import ApiError, invalid
from penstock.returned import Fields, carried
from penstock.tool_calls import ANSWERS, CALLS, OUTPUTS, WITHOUT_MESSAGE, Call, Output
from penstock.tool_calls.approvals import with_outcomes
from penstock.tool_calls.arguments import is_object, some_object
from penstock.tool_calls.pairing import Pairs, pair
from penstock.wire import InputItem, Message, ReasoningItem, ReasoningText

from . import wire
from .content import message_content, plain_text, tool_content
from .signed_parts import own_content
from .upstream_fields import (
    UpstreamFields,
    UpstreamMessage,
    beside,
    find_upstream_fields,
    function_fields,
    sent_id,
    short_id,
)

_MESSAGES = frozenset({Message})


def messages(
    instructions: str | None, items: Sequence[InputItem], options: wire.Options, origin: str | None
) -> list[wire.ChatMessage]:
    """The whole context as messages, instructions first, with what the upstream `origin` wants back."""
    if _MESSAGES.issuperset(map(type, items)):
        outputs: dict[int, _CallOutput] = {}
    else:
        items = with_outcomes(items)
        outputs = _outputs(items)
    writer = _Writer(options, outputs, find_upstream_fields(items, origin))
    if instructions:
        writer.system(instructions)
    for index, item in enumerate(items):
        writer.write(item, index)
    return _merge_system(writer.close(), options)


class _CallOutput(msgspec.Struct):
    """The output of a call, and its path in the request."""

    output: Output
    param: str


def _outputs(items: Sequence[InputItem]) -> dict[int, _CallOutput]:
    """Every call's output by the call's place. Raises `ApiError` for a call without one, and the reverse."""
    pairs = pair(items)
    if pairs.alone:
        raise _lonely(items, pairs)
    outputs: dict[int, _CallOutput] = {}
    for call, output in pairs.output_of.items():
        item = items[output]
        outputs[call] = _CallOutput(OUTPUTS[type(item)](item), f"input[{output}]")
    return outputs


def _lonely(items: Sequence[InputItem], pairs: Pairs) -> ApiError:
    """What is wrong with the first call or output that has no partner."""
    index = pairs.alone[0]
    item = items[index]
    if read_call := CALLS.get(type(item)):
        return invalid(f"No tool output found for call_id '{read_call(item).call_id}'.", f"input[{index}]")
    call_id = OUTPUTS[type(item)](item).call_id
    if any(OUTPUTS[type(items[other])](items[other]).call_id == call_id for other in pairs.output_of.values()):
        return invalid(f"More than one output for call_id '{call_id}'.", f"input[{index}].call_id")
    return invalid(f"No tool call found for the output with call_id '{call_id}'.", f"input[{index}]")


class _Made(msgspec.Struct):
    """A call, its output, and what the upstream wants back with the call."""

    call: Call
    call_output: _CallOutput
    fields: Fields | None


class _Writer(msgspec.Struct):
    """Writes items as messages; what the assistant did between two other messages is one turn of its own.

    What came as one message of the upstream, and is to have fields of the upstream's, is one message again.
    """

    _options: wire.Options
    _outputs: dict[int, _CallOutput]
    _upstream_fields: UpstreamFields
    _message_fields: UpstreamMessage | None = None
    _messages: list[wire.ChatMessage] = []
    _thoughts: list[str] = []
    _texts: list[str] = []
    _calls: list[_Made] = []

    def write(self, item: InputItem, index: int) -> None:
        """Take the next item."""
        kind = type(item)
        if self._upstream_fields.messages:
            self._begin_or_end_message(index)
        if isinstance(item, Message):
            self._message(item, index)
        elif read_call := CALLS.get(kind):
            self._call(read_call(item), OUTPUTS.get(kind), item, index)
        elif kind in OUTPUTS or kind in ANSWERS:
            self._end_turn()
        elif isinstance(item, ReasoningItem):
            self._reasoning(item, index)
        elif kind not in WITHOUT_MESSAGE:
            raise invalid(f"Items of type '{item.type}' cannot be sent to this model.", f"input[{index}].type")

    def _begin_or_end_message(self, index: int) -> None:
        """Begin or end what came as one message, and is to have fields of the upstream's."""
        if self._message_fields and index > self._message_fields.end:
            self._end_turn()
            self._message_fields = None
        if message := self._upstream_fields.messages.get(index):
            self._end_turn()
            self._message_fields = message

    def system(self, text: str) -> None:
        """Instructions, or a system or developer message."""
        self._end_turn()
        self._messages.append(wire.ChatMessage(role=self._options.system_role, content=text))

    def close(self) -> list[wire.ChatMessage]:
        """All messages."""
        self._end_turn()
        return self._messages

    def _call(self, call: Call, own_output: Callable[[Any], Output] | None, item: InputItem, index: int) -> None:
        """A call, with the output that follows it: its own, or that of another item."""
        if own_output is None:
            call_output = self._outputs[index]
        else:
            call_output = _CallOutput(own_output(item), f"input[{index}]")
            call.call_id = call.call_id or f"call_{len(self._messages)}_{len(self._calls)}"
        fields = self._upstream_fields.calls.get(index)
        if fields and (own_id := sent_id(fields)):
            call.call_id = own_id
        if self._options.short_call_ids:
            call.call_id = short_id(call.call_id)
        self._calls.append(_Made(call, call_output, fields))
        # spec: hosted-replies
        if own_output is not None and item.unknown and (known := carried(item)) and known.ends_turn:
            self._end_turn()

    def _reasoning(self, item: ReasoningItem, index: int) -> None:
        thoughts = [part.text for part in item.content or () if isinstance(part, ReasoningText)]
        if thoughts:
            self._begin_turn(index)
            self._thoughts += thoughts

    def _begin_turn(self, index: int) -> None:
        """Another turn, where the last one has a text or a call, and is not all of its message yet."""
        message = self._message_fields
        if (self._texts or self._calls) and not (message and index <= message.end):
            self._end_turn()

    def _message(self, item: Message, index: int) -> None:
        param = f"input[{index}]"
        if item.role == "assistant":
            self._begin_turn(index)
            self._texts.append(plain_text(item.content, param))
        elif item.role == "user":
            self._end_turn()
            self._messages.append(wire.ChatMessage(role="user", content=message_content(item.content, param)))
        else:
            self.system(plain_text(item.content, param))

    def _end_turn(self) -> None:
        """Write the assistant's turn, and what its calls gave back right behind it, in the order of the calls."""
        if not (self._texts or self._calls or self._thoughts):
            return
        text = "".join(self._texts) if self._texts else None
        fields = self._message_fields.fields if self._message_fields else {}
        own = own_content(fields, text or "") if fields else None
        message = wire.ChatMessage(role="assistant", content=text if own is None else own)
        options = self._options
        # spec: reasoning-required
        if (self._thoughts or options.reasoning_required) and options.reasoning_field != "none" and own is None:
            setattr(message, options.reasoning_field, "\n".join(self._thoughts))
        if self._calls:
            message.tool_calls = [_tool_call(made.call, made.fields) for made in self._calls]
        if fields:
            message.unknown = beside(message, fields)
        self._message_fields = None
        if self._texts or self._calls or own is not None:  # thoughts that led to nothing have no message to stand in
            self._messages.append(message)
        self._write_outputs()
        self._thoughts, self._texts, self._calls = [], [], []

    def _write_outputs(self) -> None:
        """Tool messages contain text. Other parts of an output are in a message of the user after them."""
        other_parts: list[wire.MessagePart] = []
        for made in self._calls:
            text, parts = tool_content(made.call_output.output, made.call_output.param)
            self._messages.append(wire.ChatMessage(role="tool", content=text, tool_call_id=made.call.call_id))
            other_parts += parts
        # spec: output-parts
        if other_parts:
            self._messages.append(wire.ChatMessage(role="user", content=other_parts))


def _tool_call(call: Call, fields: Fields | None) -> wire.ToolCall:
    """A call. Its arguments are an object, since some upstreams refuse every turn of a history with another text."""
    # spec: odd-arguments
    arguments = call.arguments if is_object(call.arguments) else some_object(call.arguments)
    function = wire.CalledFunction(name=call.name, arguments=arguments)
    made = wire.ToolCall(id=call.call_id, function=function)
    if fields:
        made.unknown = beside(made, fields)
        function.unknown = beside(function, function_fields(fields))
    return made


def _merge_system(written: list[wire.ChatMessage], options: wire.Options) -> list[wire.ChatMessage]:
    """System messages as the backend's chat template allows them."""
    # spec: system-order
    if len(written) < 2 or options.system_messages == "keep":
        return written
    leading = 0
    while leading < len(written) and written[leading].role == options.system_role:
        leading += 1
    system, rest = written[:leading], written[leading:]
    if options.system_messages == "all":
        system += [message for message in rest if message.role == options.system_role]
        rest = [message for message in rest if message.role != options.system_role]
    if len(system) < 2:
        return system + rest
    text = "\n\n".join(str(message.content) for message in system)
    return [wire.ChatMessage(role=options.system_role, content=text), *rest]
