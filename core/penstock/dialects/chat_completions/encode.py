"""A turn as a Chat Completions request.

It knows how items become messages: turns of the assistant gather its thoughts, text and calls, and every call is
followed by its output. It reads tool families through `penstock.calling` alone, so that none is named here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from penstock.calling import CALLS, OUTPUTS, SILENT, Call, Offer, Output
from penstock.calling.pairing import Pairs, pair
from penstock.errors import ApiError, invalid
from penstock.ports import Choice, Turn
from penstock.wire import (
    NULL,
    CreateResponse,
    InputItem,
    Message,
    ReasoningItem,
    ReasoningText,
)
from penstock.wire import (
    JsonObjectFormat as AnyJson,
)
from penstock.wire import (
    JsonSchemaFormat as SchemaJson,
)

from . import wire
from .content import message_content, plain_text, tool_content

_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
"""What a function without parameters says: some backends refuse one that says nothing."""


def encode(turn: Turn, options: wire.Options) -> wire.ChatRequest:
    """The body of the request. Raises `ApiError` for what Chat Completions cannot say."""
    request = turn.request
    text = request.text
    body = wire.ChatRequest(
        model=turn.model,
        messages=messages(request.instructions, turn.items, options),
        stream=turn.stream,
        stream_options=wire.StreamOptions(include_usage=True) if turn.stream else None,
        response_format=_response_format(request),
        verbosity=text.verbosity if text else None,
        reasoning_effort=request.reasoning.effort if request.reasoning else None,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
        stop=request.stop,
        top_k=request.top_k,
        min_p=request.min_p,
        repetition_penalty=request.repetition_penalty,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        logit_bias=request.logit_bias,
        service_tier=request.service_tier,
        safety_identifier=request.safety_identifier,
        prompt_cache_key=request.prompt_cache_key,
        prompt_cache_retention=request.prompt_cache_retention,
        user=request.user,
    )
    setattr(body, options.max_tokens_field, request.max_output_tokens)
    _ask_for_logprobs(body, request)
    _offer(body, turn)
    return body


def _ask_for_logprobs(body: wire.ChatRequest, request: CreateResponse) -> None:
    asked = "message.output_text.logprobs" in (request.include or ())
    if asked or request.top_logprobs:
        body.logprobs = True
        body.top_logprobs = request.top_logprobs


def _offer(body: wire.ChatRequest, turn: Turn) -> None:
    if not turn.offers:
        return
    body.tools = [wire.FunctionTool(function=_function(offer)) for offer in turn.offers]
    body.tool_choice = _tool_choice(turn.choice)
    body.parallel_tool_calls = turn.request.parallel_tool_calls


def _function(offer: Offer) -> wire.Function:
    return wire.Function(
        name=offer.name,
        description=offer.description,
        parameters=_NO_PARAMETERS if offer.parameters == NULL else offer.parameters,
        strict=offer.strict,
    )


def _tool_choice(choice: Choice) -> str | wire.FunctionChoice | None:
    """Nothing for `auto`, which is the default: some backends refuse the word."""
    if choice.name is not None:
        return wire.FunctionChoice(function=wire.NamedFunction(name=choice.name))
    return None if choice.mode == "auto" else choice.mode


def _response_format(request: CreateResponse) -> wire.JsonSchemaFormat | wire.JsonObjectFormat | None:
    form = request.text.format if request.text else None
    if isinstance(form, AnyJson):
        return wire.JsonObjectFormat()
    if isinstance(form, SchemaJson):
        description = form.description or None
        schema = wire.JsonSchema(name=form.name, schema=form.schema, description=description, strict=form.strict)
        return wire.JsonSchemaFormat(json_schema=schema)
    return None


def messages(instructions: str | None, items: Sequence[InputItem], options: wire.Options) -> list[wire.ChatMessage]:
    """The whole context as messages, instructions first."""
    writer = _Writer(options, _outputs(items))
    if instructions:
        writer.system(instructions)
    for place, item in enumerate(items):
        writer.write(item, place)
    return _merge_system(writer.close(), options)


class _Given(NamedTuple):
    """What a call gave back, and where the request says so."""

    output: Output
    param: str


def _outputs(items: Sequence[InputItem]) -> dict[int, _Given]:
    """Every call's output by the call's place. Raises `ApiError` for a call without one, and the reverse."""
    pairs = pair(items)
    if pairs.alone:
        raise _lonely(items, pairs)
    outputs: dict[int, _Given] = {}
    for call, output in pairs.output_of.items():
        item = items[output]
        outputs[call] = _Given(OUTPUTS[type(item)](item), f"input[{output}]")
    return outputs


def _lonely(items: Sequence[InputItem], pairs: Pairs) -> ApiError:
    """What is wrong with the first call or output that has no partner."""
    place = pairs.alone[0]
    item = items[place]
    if read_call := CALLS.get(type(item)):
        return invalid(f"No tool output found for call_id '{read_call(item).call_id}'.", f"input[{place}]")
    call_id = OUTPUTS[type(item)](item).call_id
    if any(OUTPUTS[type(items[other])](items[other]).call_id == call_id for other in pairs.call_of):
        return invalid(f"More than one output for call_id '{call_id}'.", f"input[{place}].call_id")
    return invalid(f"No tool call found for the output with call_id '{call_id}'.", f"input[{place}]")


class _Writer:
    """Writes items as messages; what the assistant did between two other messages is one turn of its own."""

    def __init__(self, options: wire.Options, outputs: dict[int, _Given]) -> None:
        self._options = options
        self._outputs = outputs
        self._messages: list[wire.ChatMessage] = []
        self._thoughts: list[str] = []
        self._texts: list[str] = []
        self._calls: list[tuple[Call, _Given]] = []

    def write(self, item: InputItem, place: int) -> None:
        """Take the next item."""
        param = f"input[{place}]"
        if read_call := CALLS.get(type(item)):
            self._call(read_call(item), OUTPUTS.get(type(item)), item, place)
        elif type(item) in OUTPUTS:
            self._end_turn()
        elif isinstance(item, ReasoningItem):
            self._reasoning(item)
        elif isinstance(item, Message):
            self._message(item, param)
        elif type(item) not in SILENT:
            raise invalid(f"Items of type '{item.type}' cannot be sent to this model.", f"{param}.type")

    def system(self, text: str) -> None:
        """Instructions, or a system or developer message."""
        self._end_turn()
        self._messages.append(wire.ChatMessage(role=self._options.system_role, content=text))

    def close(self) -> list[wire.ChatMessage]:
        """All messages."""
        self._end_turn()
        return self._messages

    def _call(self, call: Call, own_output: Callable[[Any], Output] | None, item: InputItem, place: int) -> None:
        """A call, with the output that follows it: its own, or that of another item."""
        if own_output is None:
            given = self._outputs[place]
        else:
            given = _Given(own_output(item), f"input[{place}]")
            call.call_id = call.call_id or f"call_{len(self._messages)}_{len(self._calls)}"
        self._calls.append((call, given))

    def _reasoning(self, item: ReasoningItem) -> None:
        if self._texts or self._calls:
            self._end_turn()
        self._thoughts.extend(part.text for part in item.content or () if isinstance(part, ReasoningText))

    def _message(self, item: Message, param: str) -> None:
        if item.role == "assistant":
            if self._texts or self._calls:
                self._end_turn()
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
        message = wire.ChatMessage(role="assistant", content=text)
        options = self._options
        if (self._thoughts or options.reasoning_required) and options.reasoning_field != "none":
            setattr(message, options.reasoning_field, "\n".join(self._thoughts))
        if self._calls:
            message.tool_calls = [_tool_call(call) for call, _ in self._calls]
        if self._texts or self._calls:  # thoughts that led to nothing have no message to stand in
            self._messages.append(message)
        self._write_outputs()
        self._thoughts, self._texts, self._calls = [], [], []

    def _write_outputs(self) -> None:
        """Tool messages hold text; what else an output holds is shown by the user right after."""
        shown: list[wire.MessagePart] = []
        for call, given in self._calls:
            text, parts = tool_content(*given)
            self._messages.append(wire.ChatMessage(role="tool", content=text, tool_call_id=call.call_id))
            shown += parts
        if shown:
            self._messages.append(wire.ChatMessage(role="user", content=shown))


def _tool_call(call: Call) -> wire.ToolCall:
    return wire.ToolCall(id=call.call_id, function=wire.CalledFunction(name=call.name, arguments=call.arguments))


def _merge_system(written: list[wire.ChatMessage], options: wire.Options) -> list[wire.ChatMessage]:
    """System messages as the backend's chat template allows them."""
    if options.system_messages == "keep":
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


def to_json(body: wire.ChatRequest, extras: dict[str, msgspec.Raw]) -> bytes:
    """The body as it is sent; `extras` are keys that only the client and the upstream know. What is written is ours."""
    text = _encode(body)
    if extras:
        written = _decode_keys(text)
        extras = {name: value for name, value in extras.items() if name not in written}
    return text[:-1] + b"," + _encode(extras)[1:] if extras else text


_encode = msgspec.json.Encoder().encode
_decode_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
