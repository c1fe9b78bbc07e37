"""The MCP servers that a request declares: where each is, what may be called, and what needs an approval.

It judges addresses by `penstock.egress`, and calls nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from penstock.egress import Egress, UrlRefused
from penstock.errors import ApiError, invalid, quoted
from penstock.limits import Limits
from penstock.patterns import lazy_pattern
from penstock.ports import DeclaredTool
from penstock.secrets import REDACTED, Secret
from penstock.wire import McpTool

from .client import LocalServer, RemoteServer, Server
from .filters import Approval, ToolFilter, allowed_tools, required_approval
from .own_servers import LABEL, OwnServer, OwnServers, own_target

_HEADER_NAME = lazy_pattern(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_HEADER_VALUE = lazy_pattern(r"[^\x00-\x08\x0a-\x1f\x7f]{0,8192}")
_TOKEN = lazy_pattern(r"[\x20-\x7e]{1,8192}")
_OWN_HEADERS = frozenset(
    "host content-length transfer-encoding connection upgrade te trailer keep-alive proxy-connection accept"
    " accept-encoding content-type content-encoding mcp-session-id mcp-protocol-version last-event-id".split()
)
"""Headers that the connection and the protocol set."""
_PARAMETERS_MAX = 64
"""The parameters in a URL. Each of them may be a secret, which is removed from all that the server writes."""
_LOCATIONS = ("server_url", "connector_id", "tunnel_id")


class DeclaredServer(msgspec.Struct, kw_only=True, eq=False):
    """A server of the request."""

    tool: McpTool
    param: str
    server: Server
    allowed: ToolFilter
    approval: Approval

    @property
    def label(self) -> str:
        """Its label."""
        return self.tool.server_label


def read_servers(
    tools: Sequence[DeclaredTool], owner: str, own: OwnServers, egress: Egress, limits: Limits
) -> list[DeclaredServer]:
    """The servers of a request, in order. Raises `ApiError` 400, which names the parameter.

    An item of the context may declare a server that `tools` declares too. That of `tools` counts, since stored items
    have no secrets; a server of an item whose secrets are missing is left out.
    """
    found: dict[str, DeclaredServer] = {}
    of_request: set[str] = set()
    for declared in tools:
        tool, param = declared.tool, declared.param
        if not isinstance(tool, McpTool):
            continue
        label = tool.server_label
        if not declared.is_of_request and (label in of_request or _is_redacted(tool)):
            continue
        if label in of_request:
            raise invalid(f"More than one server is labelled {quoted(label)}.", f"{param}.server_label")
        if declared.is_of_request:
            of_request.add(label)
        _check(tool, param, limits)
        found[label] = DeclaredServer(
            tool=tool,
            param=param,
            server=_Reader(tool, param, owner, own, egress).read(),
            allowed=allowed_tools(tool.allowed_tools, f"{param}.allowed_tools"),
            approval=required_approval(tool.require_approval, f"{param}.require_approval"),
        )
    return list(found.values())


def _check(tool: McpTool, param: str, limits: Limits) -> None:
    """Raise `ApiError` 400 for a label that is none, for a tool as a Response shows it, and for too many headers."""
    if not LABEL.fullmatch(tool.server_label):
        problem = "A server_label begins with a letter, and has at most 64 letters, digits, '_' and '-'."
        raise invalid(problem, f"{param}.server_label", "invalid_value")
    if _is_redacted(tool):
        raise invalid(f"{REDACTED} is the mask of a secret: send the secret itself.", param, "invalid_value")
    _check_headers(tool.headers or {}, f"{param}.headers", limits)


def _check_headers(headers: Mapping[str, str], param: str, limits: Limits) -> None:
    if len(headers) > limits.mcp_headers_max:
        raise invalid(f"A server gets at most {limits.mcp_headers_max} headers.", param, "object_above_max_properties")
    if sum(len(name) + len(value) for name, value in headers.items()) > limits.mcp_headers_bytes_max:
        message = f"The headers of a server have at most {limits.mcp_headers_bytes_max} bytes."
        raise invalid(message, param, "string_above_max_length")


def _is_redacted(tool: McpTool) -> bool:
    """Whether a secret of the tool was replaced by its mask."""
    texts = [tool.server_url, tool.authorization, *(tool.headers or {}).values()]
    return any(REDACTED in text for text in texts if text)


class _Reader:
    """Reads where one server is."""

    def __init__(self, tool: McpTool, param: str, owner: str, own: OwnServers, egress: Egress) -> None:
        self._tool = tool
        self._param = param
        self._owner = owner
        self._own = own
        self._egress = egress

    def read(self) -> Server:
        """The server."""
        given = [name for name in _LOCATIONS if getattr(self._tool, name)]
        if len(given) > 1:
            raise self._refused(f"Give only one of {_listed(given)}.", given[1])
        if not given:
            return self._labelled()
        value = str(getattr(self._tool, given[0]))
        if given[0] == "server_url":
            return self._remote(value)
        urls = self._own.connectors if given[0] == "connector_id" else self._own.tunnels
        if value not in urls:
            setting = "mcp_connectors" if given[0] == "connector_id" else "mcp_tunnels"
            raise self._refused(f"{quoted(value)} is not known to this server: {setting} has no URL for it.", given[0])
        return self._own_remote(urls[value], self._headers())

    def _labelled(self) -> Server:
        """A server of the operator, by its label."""
        known = self._own.servers.get(self._tool.server_label)
        if known is None:
            raise self._refused(f"Give one of {_listed(_LOCATIONS)}.", "server_url", "missing_required_parameter")
        if known.url is not None:
            return self._own_remote(known.url, self._own_headers(known))
        if self._tool.headers or self._tool.authorization:
            raise self._refused("This server is a program of the operator, and gets no headers.", "headers")
        return LocalServer(owner=self._owner, command=known.command, args=known.args, env=known.env)

    def _remote(self, url: str) -> RemoteServer:
        """A server that the client names."""
        headers = self._headers()
        try:
            target = self._egress.target(url, carries_secrets=bool(headers))
        except UrlRefused as refused:
            raise self._refused(f"The URL of the server {refused}.", "server_url") from None
        if target.path.count("&") >= _PARAMETERS_MAX:
            raise self._refused(f"The URL of the server has more than {_PARAMETERS_MAX} parameters.", "server_url")
        return RemoteServer(owner=self._owner, target=target, headers=headers)

    def _own_remote(self, url: Secret, headers: tuple[tuple[str, Secret], ...]) -> RemoteServer:
        """A server of the operator, at any address."""
        return RemoteServer(owner=self._owner, target=own_target(url.reveal()), headers=headers, is_own=True)

    def _own_headers(self, known: OwnServer) -> tuple[tuple[str, Secret], ...]:
        """The headers of a server of the operator. Those of the request do not replace them."""
        own = {name.lower(): value for name, value in known.headers}
        return tuple((dict(self._headers()) | own).items())

    def _headers(self) -> tuple[tuple[str, Secret], ...]:
        """The headers of the request, with the token as one of them."""
        tool = self._tool
        headers: dict[str, Secret] = {}
        for name, value in (tool.headers or {}).items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value) or not value.isascii():
                raise self._refused("This has a name or a value that no header can have.", "headers")
            if name.lower() in _OWN_HEADERS:
                raise self._refused(f"The header {quoted(name)} cannot be set.", "headers")
            if name.lower() in headers:
                raise self._refused(f"The header {quoted(name)} is given twice.", "headers")
            headers[name.lower()] = Secret(value.strip())
        if tool.authorization:
            if not _TOKEN.fullmatch(tool.authorization):
                problem = "This token is too long, or has a character that no header can have."
                raise self._refused(problem, "authorization")
            if "authorization" in headers:
                raise self._refused("Give a token either here or in headers.", "authorization")
            headers["authorization"] = Secret(f"Bearer {tool.authorization}")
        return tuple(headers.items())

    def _refused(self, message: str, field: str, code: str = "invalid_value") -> ApiError:
        return invalid(message, f"{self._param}.{field}", code)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
