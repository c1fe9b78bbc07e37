"""The servers of a request: where each is, and what is refused before anything is called."""

from __future__ import annotations

from typing import Any

import pytest

from core.kit import Json
from core.tools.mcp.kit import URL, asked, family, free, mcp
from penstock.egress import Egress
from penstock.errors import ApiError
from penstock.limits import Limits
from penstock.ports import DeclaredTool, ToolRequest
from penstock.secrets import Secret
from penstock.tools.mcp.client import LocalServer, RemoteServer
from penstock.tools.mcp.declared_servers import DeclaredServer, read_servers
from penstock.tools.mcp.own_servers import OwnServer, OwnServers
from penstock.wire import Tool
from requirements import shows

OWN = OwnServers(
    servers={
        "files": OwnServer(command="files-server", args=("--root", "/srv"), env=(("KEY", Secret("k")),)),
        "tickets": OwnServer(
            url=Secret("http://tickets.internal:9000/mcp"), headers=(("authorization", Secret("Bearer t")),)
        ),
    },
    connectors={"connector_gmail": Secret("https://gmail.example.com/mcp")},
    tunnels={"tunnel_1": Secret("https://tunnel.example.com/mcp")},
)


def tools_of(request: ToolRequest) -> list[Tool]:
    return [declared.tool for declared in request.tools]


def read(*tools: Json) -> list[DeclaredServer]:
    request = asked(*tools)
    return read_servers(request.tools, request.owner, OWN, Egress(), Limits())


def test_a_server_by_its_url() -> None:
    [declared] = read(mcp(headers={"X-Team": " a "}, authorization="token-canary"))
    server = declared.server
    assert isinstance(server, RemoteServer)
    assert server.target.url == URL
    assert [(name, value.reveal()) for name, value in server.headers] == [
        ("x-team", "a"),
        ("authorization", "Bearer token-canary"),
    ]
    assert "canary" not in repr(server)


@shows("mcp-labels")
def test_servers_of_the_operator() -> None:
    found = read(
        {"type": "mcp", "server_label": "files"},
        {"type": "mcp", "server_label": "tickets"},
        mcp("mail", connector_id="connector_gmail", authorization="a"),
        mcp("inner", tunnel_id="tunnel_1"),
    )
    files, tickets, mail, inner = [declared.server for declared in found]
    assert files == LocalServer(
        owner="me", command="files-server", args=("--root", "/srv"), env=(("KEY", Secret("k")),)
    )
    assert isinstance(tickets, RemoteServer)
    assert tickets.headers == (("authorization", Secret("Bearer t")),)
    assert tickets.is_own
    assert isinstance(mail, RemoteServer)
    assert mail.target.url == "https://gmail.example.com/mcp"
    assert isinstance(inner, RemoteServer)
    assert inner.target.host == "tunnel.example.com"


def test_a_request_does_not_replace_the_headers_of_the_operator() -> None:
    headers = {"x-team": "a"}
    [declared] = read({"type": "mcp", "server_label": "tickets", "headers": headers, "authorization": "mine"})
    assert isinstance(declared.server, RemoteServer)
    assert dict(declared.server.headers) == {"x-team": Secret("a"), "authorization": Secret("Bearer t")}


def test_owners_never_share_a_server() -> None:
    one, other = (
        read_servers(request.tools, request.owner, OWN, Egress(), Limits())[0].server
        for request in (asked(mcp(), owner="a"), asked(mcp(), owner="b"))
    )
    assert one != other


REFUSED: dict[str, tuple[list[Json], str, str]] = {
    "no place": ([{"type": "mcp", "server_label": "a"}], "tools[0].server_url", "Give one of server_url"),
    "two places": ([mcp(server_url=URL, tunnel_id="t")], "tools[0].tunnel_id", "only one of server_url and tunnel_id"),
    "an unknown connector": ([mcp(connector_id="connector_dropbox")], "tools[0].connector_id", "mcp_connectors"),
    "an unknown tunnel": ([mcp(tunnel_id="t")], "tools[0].tunnel_id", "mcp_tunnels"),
    "one label twice": ([mcp(), mcp("b"), mcp()], "tools[2].server_label", "More than one server"),
    "an empty label": ([mcp("")], "tools[0].server_label", "begins with a letter"),
    "an odd label": ([mcp("a b")], "tools[0].server_label", "begins with a letter"),
    "a header of the connection": ([mcp(headers={"Host": "x"})], "tools[0].headers", "'Host' cannot be set"),
    "a header that splits": ([mcp(headers={"x": "a\r\nb: c"})], "tools[0].headers", "no header can have"),
    "a header without a name": ([mcp(headers={"": "a"})], "tools[0].headers", "no header can have"),
    "a header twice": ([mcp(headers={"X-A": "1", "x-a": "2"})], "tools[0].headers", "'x-a' is given twice"),
    "a token that is too long": ([mcp(authorization="a" * 8_193)], "tools[0].authorization", "too long"),
    "a token that splits": ([mcp(authorization="a\nb")], "tools[0].authorization", "no header can have"),
    "two tokens": (
        [mcp(authorization="a", headers={"Authorization": "b"})],
        "tools[0].authorization",
        "either here or in headers",
    ),
    "headers for a program": (
        [{"type": "mcp", "server_label": "files", "headers": {"a": "b"}}],
        "tools[0].headers",
        "program of the operator",
    ),
    "secrets in the clear": (
        [mcp(server_url="http://mcp.example.com/", authorization="a")],
        "tools[0].server_url",
        "https://",
    ),
}


@pytest.mark.parametrize(("tools", "param", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(tools: list[Json], param: str, message: str) -> None:
    with pytest.raises(ApiError, match=message) as caught:
        read(*tools)
    assert (caught.value.status, caught.value.param) == (400, param)


MASKED: list[Json] = [
    mcp(authorization="<redacted>"),
    mcp(headers={"x": "<redacted>"}),
    mcp(server_url="https://mcp.example.com/<redacted>"),
]


@pytest.mark.parametrize("tool", MASKED)
def test_masks_are_no_secrets(tool: Json) -> None:
    """A tool that was copied from a Response is refused. In a stored item it is left out."""
    with pytest.raises(ApiError, match="mask of a secret") as caught:
        read(tool)
    assert caught.value.param == "tools[0]"
    request = asked(tool)
    sent = [DeclaredTool(tool, "context[3].tools[0]") for tool in tools_of(request)]
    assert read_servers(sent, "me", OWN, Egress(), Limits()) == []


def test_the_request_counts_more_than_its_context() -> None:
    request = asked(mcp(authorization="new"), mcp(authorization="old"), mcp(authorization="older"))
    new, old, older = tools_of(request)
    first, second, own = "context[0].tools[0]", "input[0].tools[0]", "tools[0]"
    for paths in ((first, second, own), (first, own, second)):
        order = {own: new, first: older}
        sent = [DeclaredTool(order.get(path, old), path) for path in paths]
        [declared] = read_servers(sent, "me", OWN, Egress(), Limits())
        assert isinstance(declared.server, RemoteServer)
        assert declared.server.headers == (("authorization", Secret("Bearer new")),)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/mcp",
        "http://127.1/mcp",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::1]/",
        "http://localhost/mcp",
        "http://10.0.0.8/",
        "http://169.254.169.254/latest/meta-data",
        "https://mcp.example.com:9999/",
        "https://user:password@mcp.example.com/",
        "ftp://mcp.example.com/",
        "mcp.example.com/mcp",
        "https://",
        "",
    ],
)
def test_private_and_odd_urls_are_refused(url: str) -> None:
    fields: dict[str, Any] = {"server_url": url}
    with pytest.raises(ApiError) as caught:
        family().session(asked(mcp(**fields)))
    assert (caught.value.status, caught.value.param) == (400, "tools[0].server_url")
    assert url == "" or url not in caught.value.message


def test_the_number_of_servers_is_bounded() -> None:
    tools = [free(f"s{n}") for n in range(3)]
    with pytest.raises(ApiError, match="at most 2 MCP servers"):
        family(limits=Limits(mcp_servers_max=2)).session(asked(*tools))


@shows("linear-work")
@pytest.mark.parametrize("headers", [{f"x-{n}": "a" for n in range(65)}, {f"x-{n}": "a" * 8_000 for n in range(5)}])
def test_the_headers_of_a_server_are_bounded(headers: Json) -> None:
    with pytest.raises(ApiError) as caught:
        read(mcp(), mcp("other", headers=headers))
    assert (caught.value.status, caught.value.param) == (400, "tools[1].headers")


@shows("linear-work")
def test_the_parameters_of_a_url_are_bounded() -> None:
    with pytest.raises(ApiError, match="more than 64 parameters") as caught:
        read(mcp(server_url="https://a.example/?" + "&".join(["a=b"] * 65)))
    assert (caught.value.status, caught.value.param) == (400, "tools[0].server_url")
