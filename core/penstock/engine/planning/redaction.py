"""Redaction: the secrets of tools, which a request may contain and a Response must not.

It knows where each tool class has secrets. The tools that a run works with are not changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from penstock.patterns import lazy_pattern
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
"""Called with the path of a secret within its tool, and the secret; returns the replacement."""

_NAMES = frozenset(
    "authorization headers api_key apikey access_token token secret client_secret password credentials"
    " domain_secrets".split()
)
"""Names of unknown fields that contain secrets."""
_URL = lazy_pattern(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:([^/?#]*)@)?([^/?#@]*)([/?#].*|)", re.DOTALL)
_HIDDEN = msgspec.Raw(b'"%b"' % REDACTED.encode())


class RequestSecret(msgspec.Struct, frozen=True):
    """A secret in a request, and the parameter that contains it."""

    param: str
    secret: Secret


def redacted(tools: Sequence[Tool]) -> list[Tool]:
    """The tools as a Response shows them."""
    return [_hidden(tool, "", lambda path, text: REDACTED) for tool in tools]


def redacted_item(item: InputItem) -> InputItem:
    """The item as it is stored: the secrets of the tools that it carries, and of unknown fields, are hidden."""
    if isinstance(item, AdditionalTools | ToolSearchOutput):
        return replace(item, tools=redacted(item.tools))
    if isinstance(item, UnknownItem):
        return replace(item, unknown=Unknown(_fields(item.unknown.fields, "", lambda path, text: REDACTED)))
    return item


def secrets_of(request: CreateResponse, unknown: Mapping[str, msgspec.Raw]) -> list[RequestSecret]:
    """The secrets of a request: in its tools, in tools within its input, and in unknown fields."""
    found: list[RequestSecret] = []

    def find(path: str, text: str) -> str:
        if text:
            found.append(RequestSecret(path, Secret(text)))
        return text

    for path, tools in _tool_lists(request):
        for index, tool in enumerate(tools):
            _hidden(tool, f"{path}[{index}].", find)
    for index, item in enumerate(request.input if isinstance(request.input, list) else ()):
        if isinstance(item, UnknownItem):
            _fields(item.unknown.fields, f"input[{index}].", find)
    _fields(unknown, "", find)
    return found


def _tool_lists(request: CreateResponse) -> Iterator[tuple[str, Sequence[Tool]]]:
    yield "tools", request.tools or ()
    items: Any = request.input if isinstance(request.input, list) else ()
    for index, item in enumerate(items):
        if type(item) in TOOL_CARRYING_ITEMS:
            yield f"input[{index}].tools", item.tools


def _hidden(tool: Tool, path: str, hide: Hide) -> Tool:
    if walk := _WALKS.get(type(tool)):
        tool = walk(tool, path, hide)
    return replace(tool, unknown=Unknown(_fields(tool.unknown.fields, path, hide))) if tool.unknown else tool


def _mcp(tool: McpTool, path: str, hide: Hide) -> McpTool:
    authorization, headers, url = tool.authorization, tool.headers, tool.server_url
    if authorization:
        authorization = hide(f"{path}authorization", authorization)
    if headers:
        headers = {name: hide(f"{path}headers", value) for name, value in headers.items()}
    if url:
        url = _url(url, f"{path}server_url", hide)
    return replace(tool, authorization=authorization, headers=headers, server_url=url)


def _url(url: str, path: str, hide: Hide) -> str:
    """A URL of which only scheme, host and port are visible: tokens may be in its path and its query."""
    # spec: mcp-urls
    found = _URL.fullmatch(url)
    if found is None:
        return hide(path, url)
    origin, user, host, rest = found.groups()
    user = hide(path, user) + "@" if user is not None else ""
    return f"{origin}{user}{host}" + (f"/{hide(path, rest[1:])}" if len(rest) > 1 else rest)


def _shell(tool: ShellTool, path: str, hide: Hide) -> ShellTool:
    policy = getattr(tool.environment, "network_policy", None)
    if not policy:
        return tool
    policy = _domain_secrets(policy, f"{path}environment.network_policy.", hide)
    return replace(tool, environment=replace(tool.environment, network_policy=policy))  # type: ignore[type-var]


def _code_interpreter(tool: CodeInterpreterTool, path: str, hide: Hide) -> CodeInterpreterTool:
    return replace(tool, container=_domain_secrets(tool.container, f"{path}container.network_policy.", hide))


def _namespace(tool: NamespaceTool, path: str, hide: Hide) -> NamespaceTool:
    tools: list[Any] = [_hidden(each, f"{path}tools[{n}].", hide) for n, each in enumerate(tool.tools)]
    return replace(tool, tools=tools)


_WALKS: dict[type[Any], Callable[[Any, str, Hide], Tool]] = {
    McpTool: _mcp,
    ShellTool: _shell,
    CodeInterpreterTool: _code_interpreter,
    NamespaceTool: _namespace,
}


def _domain_secrets(raw: msgspec.Raw, path: str, hide: Hide) -> msgspec.Raw:
    """A container or network policy with its secrets hidden; they are for the hosts that its code may reach."""
    if b"domain_secrets" not in bytes(raw):
        return raw
    decoded = msgspec.json.decode(raw)
    policy = decoded.get("network_policy", decoded) if isinstance(decoded, dict) else {}
    for secret in (isinstance(policy, dict) and policy.get("domain_secrets")) or ():
        if isinstance(secret, dict) and isinstance(value := secret.get("value"), str):
            secret["value"] = hide(f"{path}domain_secrets", value)
    return msgspec.Raw(msgspec.json.encode(decoded))


def _fields(fields: Mapping[str, msgspec.Raw], path: str, hide: Hide) -> dict[str, msgspec.Raw]:
    """The fields, those with the names of secrets hidden entirely."""
    hidden = dict(fields)
    for name in fields:
        if name.lower() in _NAMES:
            for text in _texts(msgspec.json.decode(fields[name])):
                hide(path + name, text)
            hidden[name] = _HIDDEN
    return hidden


def _texts(value: Any) -> Iterator[str]:
    """Every text and number in a value, but not the names of keys."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
