"""What a request may hold and no Response may show: the secrets of its tools.

It knows the places of secrets by the tool's class; the tools that a run works with are never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock.secrets import REDACTED, Secret
from penstock.tool_calls import TOOL_CARRYING_ITEMS
from penstock.wire import (
    AdditionalTools,
    CodeInterpreterTool,
    CreateResponse,
    InputItem,
    McpTool,
    NamespaceTool,
    ShellTool,
    Tool,
    ToolSearchOutput,
    Unknown,
    UnknownItem,
)

Hide: TypeAlias = Callable[[str, str], str]
"""Takes the place of a secret within its tool, and the secret; gives what is to stand there."""

_NAMES = frozenset(
    "authorization headers api_key apikey access_token token secret client_secret password credentials"
    " domain_secrets".split()
)
"""What an unknown field that holds secrets is called."""
_HIDDEN = msgspec.Raw(b'"%b"' % REDACTED.encode())


class Held(NamedTuple):
    """A secret that a request holds, and the parameter that it stands in."""

    param: str
    secret: Secret


def redacted(tools: Sequence[Tool]) -> list[Tool]:
    """The tools as a Response tells of them."""
    return [_hidden(tool, "", lambda place, text: REDACTED) for tool in tools]


def redacted_item(item: InputItem) -> InputItem:
    """The item as it is stored: the secrets of the tools that it carries, and of unknown fields, are hidden."""
    if isinstance(item, AdditionalTools | ToolSearchOutput):
        return replace(item, tools=redacted(item.tools))
    if isinstance(item, UnknownItem):
        return replace(item, unknown=Unknown(_fields(item.unknown.fields, "", lambda place, text: REDACTED)))
    return item


def secrets_of(request: CreateResponse, unknown: Mapping[str, msgspec.Raw]) -> list[Held]:
    """The secrets of a request: of its tools, of those that its input brings, and of unknown fields."""
    held: list[Held] = []

    def find(place: str, text: str) -> str:
        if text:
            held.append(Held(place, Secret(text)))
        return text

    for place, tools in _places(request):
        for index, tool in enumerate(tools):
            _hidden(tool, f"{place}[{index}].", find)
    for index, item in enumerate(request.input if isinstance(request.input, list) else ()):
        if isinstance(item, UnknownItem):
            _fields(item.unknown.fields, f"input[{index}].", find)
    _fields(unknown, "", find)
    return held


def _places(request: CreateResponse) -> Iterator[tuple[str, Sequence[Tool]]]:
    yield "tools", request.tools or ()
    items: Any = request.input if isinstance(request.input, list) else ()
    for index, item in enumerate(items):
        if type(item) in TOOL_CARRYING_ITEMS:
            yield f"input[{index}].tools", item.tools


def _hidden(tool: Tool, place: str, hide: Hide) -> Tool:
    if walk := _WALKS.get(type(tool)):
        tool = walk(tool, place, hide)
    return replace(tool, unknown=Unknown(_fields(tool.unknown.fields, place, hide))) if tool.unknown else tool


def _mcp(tool: McpTool, place: str, hide: Hide) -> McpTool:
    authorization, headers = tool.authorization, tool.headers
    if authorization:
        authorization = hide(f"{place}authorization", authorization)
    if headers:
        headers = {name: hide(f"{place}headers", value) for name, value in headers.items()}
    return replace(tool, authorization=authorization, headers=headers)


def _shell(tool: ShellTool, place: str, hide: Hide) -> ShellTool:
    policy = getattr(tool.environment, "network_policy", None)
    if not policy:
        return tool
    policy = _domain_secrets(policy, f"{place}environment.network_policy.", hide)
    return replace(tool, environment=replace(tool.environment, network_policy=policy))  # type: ignore[type-var]


def _code_interpreter(tool: CodeInterpreterTool, place: str, hide: Hide) -> CodeInterpreterTool:
    return replace(tool, container=_domain_secrets(tool.container, f"{place}container.network_policy.", hide))


def _namespace(tool: NamespaceTool, place: str, hide: Hide) -> NamespaceTool:
    tools: list[Any] = [_hidden(each, f"{place}tools[{n}].", hide) for n, each in enumerate(tool.tools)]
    return replace(tool, tools=tools)


_WALKS: dict[type[Any], Callable[[Any, str, Hide], Tool]] = {
    McpTool: _mcp,
    ShellTool: _shell,
    CodeInterpreterTool: _code_interpreter,
    NamespaceTool: _namespace,
}


def _domain_secrets(raw: msgspec.Raw, place: str, hide: Hide) -> msgspec.Raw:
    """A container or its network policy, whose secrets are for the hosts that the code in it may reach."""
    if b"domain_secrets" not in bytes(raw):
        return raw
    told = msgspec.json.decode(raw)
    policy = told.get("network_policy", told) if isinstance(told, dict) else {}
    for secret in (isinstance(policy, dict) and policy.get("domain_secrets")) or ():
        if isinstance(secret, dict) and isinstance(value := secret.get("value"), str):
            secret["value"] = hide(f"{place}domain_secrets", value)
    return msgspec.Raw(msgspec.json.encode(told))


def _fields(fields: Mapping[str, msgspec.Raw], place: str, hide: Hide) -> dict[str, msgspec.Raw]:
    """The fields with those hidden whole that are called as secrets are."""
    hidden = dict(fields)
    for name in fields:
        if name.lower() in _NAMES:
            for text in _texts(msgspec.json.decode(fields[name])):
                hide(place + name, text)
            hidden[name] = _HIDDEN
    return hidden


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value but the names of keys; a number as it is written."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
