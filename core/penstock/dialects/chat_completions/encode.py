"""A turn as a Chat Completions request.

It knows the fields of a request; how items become its messages, `history` knows.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock import json_codec
from penstock.ports import CachedOffers, Choice, Turn
from penstock.tool_calls import FunctionDefinition
from penstock.wire import NULL, CreateResponse
from penstock.wire import JsonObjectFormat as AnyJson
from penstock.wire import JsonSchemaFormat as SchemaJson

from . import wire
from .history import messages
from .refused_fields import NOTHING, Refused, accepted, leave_out

_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
"""The parameters of a function without parameters: some backends refuse a function without a schema."""


def encode(turn: Turn, options: wire.Options, origin: str | None) -> wire.ChatRequest:
    """The body of the request to the upstream `origin`. Raises `ApiError` for what Chat Completions cannot express."""
    request = turn.request
    text = request.text
    body = wire.ChatRequest(
        model=turn.model,
        messages=_messages(turn, options, origin),
        stream=turn.stream,
        # spec: late-errors
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


def to_body(
    turn: Turn, options: wire.Options, origin: str | None, dialect: object, refused: Refused = NOTHING
) -> bytes:
    """The body of the request as it is sent, without the fields that the model refuses.

    What is not its messages is encoded once for all turns that share it.
    """
    if refused:
        options = accepted(options, refused)
    if turn.shared is None:
        return to_json(_without(encode(turn, options, origin), refused), turn.extras)
    encoded = turn.shared.encoded
    key = (dialect, refused), turn.model
    if key not in encoded:
        body = _without(encode(turn, options, origin), refused)
        body.messages = []
        before, _, after = to_json(body, turn.extras).partition(_NO_MESSAGES)
        encoded[key] = before + _MESSAGES, after
    before, after = encoded[key]
    return b"".join((before, json_codec.encode(_messages(turn, options, origin)), after))


def _without(body: wire.ChatRequest, refused: Refused) -> wire.ChatRequest:
    if refused:
        leave_out(body, refused)
    return body


_MESSAGES = b'"messages":'
_NO_MESSAGES = _MESSAGES + b"[]"


def _messages(turn: Turn, options: wire.Options, origin: str | None) -> list[wire.ChatMessage]:
    """The context; instructions that are a message of their own, and were encoded before, as they were encoded."""
    written = messages(turn.request.instructions, turn.items, options, origin)
    encoded = turn.instructions
    if encoded and written and written[0].content is encoded.text:
        written[0].content = encoded.json
    return written


def _ask_for_logprobs(body: wire.ChatRequest, request: CreateResponse) -> None:
    asked = "message.output_text.logprobs" in (request.include or ())
    if asked or request.top_logprobs:
        body.logprobs = True
        body.top_logprobs = request.top_logprobs


def _offer(body: wire.ChatRequest, turn: Turn) -> None:
    if not turn.offers:
        return
    body.tools = _tools(turn.offers)
    body.tool_choice = _tool_choice(turn.choice)
    body.parallel_tool_calls = turn.request.parallel_tool_calls


def _tools(offers: Sequence[FunctionDefinition]) -> list[wire.FunctionTool] | msgspec.Raw:
    """The functions; those that come with many turns are encoded once."""
    if isinstance(offers, CachedOffers) and offers.json is not None:
        return offers.json
    tools = [wire.FunctionTool(function=_function(offer)) for offer in offers]
    if isinstance(offers, CachedOffers):
        offers.json = json_codec.encoded(tools)
    return tools


def _function(offer: FunctionDefinition) -> wire.Function:
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
    # spec: format
    if isinstance(form, SchemaJson):
        description = form.description or None
        schema = wire.JsonSchema(name=form.name, schema=form.schema, description=description, strict=form.strict)
        return wire.JsonSchemaFormat(json_schema=schema)
    return None


def to_json(body: wire.ChatRequest, extras: dict[str, msgspec.Raw]) -> bytes:
    """The body as it is sent; `extras` are keys that only the client and the upstream know. What is written is ours."""
    text = json_codec.encode(body)
    if extras:
        written = _decode_keys(text)
        extras = {name: value for name, value in extras.items() if name not in written}
    return text[:-1] + b"," + _encode(extras)[1:] if extras else text


_encode = msgspec.json.Encoder().encode
_decode_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
