"""Step 1: the body of a request as a struct, or an error that names the wrong parameter.

It knows which sizes and shapes are legal beyond the struct's own types. It looks nothing up: later steps resolve ids
and tools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import msgspec
from msgspec.structs import replace

from penstock.errors import ApiError, invalid
from penstock.limits import Limits
from penstock.tool_calls import TOOL_CARRYING_ITEMS
from penstock.wire import (
    NULL,
    UNKNOWN,
    UNSET,
    CompactResponse,
    CreateResponse,
    FunctionTool,
    InputItem,
    JsonSchemaFormat,
    Message,
    NamespaceTool,
    TextConfig,
    Tool,
    ToolChoiceAllowed,
    ToolSearchTool,
    UnsetType,
)

from .chat_parts import read_chat_parts
from .json_bounds import check_depth
from .request_body import check_size, lacks_type, read_body
from .request_cache import CachedValue, RequestCache, Shortened, may_be_shortened
from .unknown_parameters import PARTS, parts_of

_OF_A_TURN = {"tools", "parallel_tool_calls", "text"}
"""Fields that agents send with every request, and that have no meaning for a compaction."""


class _Plain(CreateResponse, kw_only=True, forbid_unknown_fields=True):
    """A request that names its model and has no unknown parameter, as nearly all do."""

    model: str


class _Messages(_Plain, kw_only=True, forbid_unknown_fields=True):
    """The same, with messages for its input. A list of one kind of item needs no `type`, and few clients send it."""

    input: list[Message]  # type: ignore[assignment]


_KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(CreateResponse)) - {UNKNOWN}


@cache
def _plain() -> msgspec.json.Decoder[_Plain]:
    """Return the decoder. It is made with the first request, since making it would delay the start."""
    # spec: lean-imports
    return msgspec.json.Decoder(_Plain)


@cache
def _messages() -> msgspec.json.Decoder[_Messages]:
    return msgspec.json.Decoder(_Messages)


def _read_whole(body: bytes) -> CreateResponse:
    """Decode a request that has nothing unusual. Raises `msgspec.ValidationError`."""
    try:
        return _plain().decode(body)
    except msgspec.ValidationError as error:
        if not lacks_type(error, "input"):
            raise
    # spec: short-messages-are-cheap
    return _messages().decode(body)


class Decoded(msgspec.Struct):
    """A request, and its unknown parameters as they were sent."""

    request: CreateResponse
    unknown: dict[str, msgspec.Raw]
    size: int
    """The size of the body in bytes."""
    leading: list[InputItem] = []
    """The items of a prompt template, before all others."""
    mapped: list[str] = []
    """The content parts in the style of Chat Completions, each with the type that it was converted to."""
    cached: Mapping[str, CachedValue] = {}
    """The parameters that were in the request cache, by name."""
    is_known: bool = False
    """Whether certainly no item or part of the input is of an unknown type."""

    def cached_value(self, name: str) -> CachedValue | None:
        """The cached parameter of this name; None if the request has another value by now, such as a template's."""
        cached = self.cached.get(name)
        return cached if cached and getattr(self.request, name) is cached.value else None


def decode(
    body: bytes, limits: Limits, *, model_may_be_null: bool = False, cached: RequestCache | None = None, owner: str = ""
) -> Decoded:
    """Read the body of `POST /responses`. Raises `ApiError` 400 for an invalid body.

    Instructions and tools that `cached` has for the owner are not decoded again.
    """
    if cached is None or not may_be_shortened(body):
        return _decode(body, limits, model_may_be_null)
    # spec: read-once
    if shortened := cached.shorten(owner, body):
        decoded = _decode_shortened(shortened, limits, model_may_be_null, cached, owner)
        if decoded is not None:
            return replace(decoded, size=len(body), cached=shortened.cached)
    decoded = _decode(body, limits, model_may_be_null)
    cached.note(owner, body, decoded.request)
    return decoded


def _decode_shortened(
    shortened: Shortened, limits: Limits, model_may_be_null: bool, cached: RequestCache, owner: str
) -> Decoded | None:
    """The request of a shortened body; None for a body that must be read completely."""
    try:
        decoded = _decode(shortened.body, limits, model_may_be_null)
    except ApiError:
        return None
    if not cached.confirms(shortened, decoded.request):
        return None
    cached.note(owner, shortened.body, decoded.request)
    for name, value in shortened.cached.items():
        setattr(decoded.request, name, value.value)
    return decoded


def _decode(body: bytes, limits: Limits, model_may_be_null: bool) -> Decoded:
    request, fields = read_body(body, CreateResponse, limits, items="input", sizes=_sizes, whole=_read_whole)
    if request.previous_response_id is not None and request.conversation is not None:
        raise _two_pasts()
    _check_lists(request, limits)
    if request.text is not None:
        _check_schema(request.text, limits)
    if not fields:  # strict decoding has read all of it
        return Decoded(request, {}, len(body), is_known=True)
    if not model_may_be_null:
        _check_null_model(fields)
    _check_chat_fields(request, fields)
    return Decoded(request, _unknown(fields, _KNOWN, limits), len(body), mapped=_read_parts(request))


def decode_compaction(body: bytes, limits: Limits) -> Decoded:
    """Read the body of `POST /responses/compact`, as a request that is not stored. Raises `ApiError` 400."""
    asked, fields = read_body(body, CompactResponse, limits, items="input", sizes=_sizes)
    if asked.previous_response_id is not None and fields.get("conversation", NULL) != NULL:
        raise _two_pasts()
    known = frozenset(CompactResponse.__struct_fields__) - {"unknown"}
    request = CreateResponse(**{name: getattr(asked, name) for name in known - _OF_A_TURN}, store=False)
    _check_lists(request, limits)
    return Decoded(request, _unknown(fields, known, limits), len(body), mapped=_read_parts(request))


def _sizes(limits: Limits) -> dict[str, int]:
    lists = dict.fromkeys(("include", "context_management"), limits.input_parts_max)
    return {"input": limits.input_items_max, "tools": limits.tools_max, **lists}


def _unknown(fields: dict[str, msgspec.Raw], known: frozenset[str], limits: Limits) -> dict[str, msgspec.Raw]:
    """The unknown parameters."""
    if fields.keys() <= known:
        return {}
    unknown = {name: fields[name] for name in fields.keys() - known}
    for name, raw in unknown.items():
        check_depth(raw, name, limits)
    return unknown


def _read_parts(request: CreateResponse) -> list[str]:
    return read_chat_parts(request.input, "input") if isinstance(request.input, list) else []


def _check_null_model(fields: Mapping[str, msgspec.Raw]) -> None:
    """A model may be absent if a default is configured, but null is not a model: OpenAI answers the same."""
    if fields.get("model") == NULL:
        raise invalid("Invalid value for 'model': expected string, got null.", "model", "invalid_type")


def _check_chat_fields(request: CreateResponse, fields: Mapping[str, msgspec.Raw]) -> None:
    """A Chat Completions request has no `input`: the model would not receive its messages."""
    if request.input is None and "messages" in fields:
        message = "Unsupported parameter: 'messages'. The Responses API has 'input' in its place: use 'input'."
        raise invalid(message, "messages", "unsupported_parameter")


def _two_pasts() -> ApiError:
    """The error of a request that continues a conversation and a response: it may continue one of them."""
    # spec: one-past
    message = "'previous_response_id' and 'conversation' cannot be used together: a conversation has its own past."
    return invalid(message, code="mutually_exclusive_parameters")


def _check_lists(request: CreateResponse, limits: Limits) -> None:
    if isinstance(request.input, list):
        _check_items(request.input, limits)
    if request.tools:
        _check_tools(request.tools, limits, "tools")
    if isinstance(request.tool_choice, ToolChoiceAllowed):
        check_size(len(request.tool_choice.tools), limits.tools_max, "tool_choice.tools")


def _check_items(items: Sequence[InputItem], limits: Limits) -> None:
    check_size(len(items), limits.input_items_max, "input")
    for index, item in enumerate(items):
        if PARTS[type(item)]:
            for name, parts in parts_of(item):
                check_size(len(parts), limits.input_parts_max, f"input[{index}].{name}")
        if type(item) in TOOL_CARRYING_ITEMS:
            _check_tools(getattr(item, "tools", ()), limits, f"input[{index}].tools")


def _check_tools(tools: Sequence[Tool], limits: Limits, param: str) -> None:
    within = sum(len(tool.tools) for tool in tools if isinstance(tool, NamespaceTool))
    check_size(len(tools) + within, limits.tools_max, param)
    _check_parameters(tools, limits, param)


def _check_parameters(tools: Sequence[Tool], limits: Limits, param: str) -> None:
    """A JSON schema is an object of limited depth; the upstream checks the rest."""
    for index, tool in enumerate(tools):
        if isinstance(tool, FunctionTool | ToolSearchTool):
            _check_object(tool.parameters, limits, f"{param}[{index}].parameters", or_null=True)
        elif isinstance(tool, NamespaceTool):
            _check_parameters(tool.tools, limits, f"{param}[{index}].tools")


def _check_schema(text: TextConfig, limits: Limits) -> None:
    form = text.format
    if isinstance(form, JsonSchemaFormat):
        _check_object(form.schema, limits, "text.format.schema", or_null=False)


def _check_object(schema: msgspec.Raw | UnsetType, limits: Limits, param: str, *, or_null: bool) -> None:
    if schema is UNSET:
        return
    if bytes(memoryview(schema)[:1]) != b"{" and not (or_null and schema == NULL):
        raise _not_an_object(param)
    check_depth(schema, param, limits)


def _not_an_object(param: str) -> ApiError:
    return invalid(f"Invalid type for '{param}': expected an object.", param, "invalid_type")
