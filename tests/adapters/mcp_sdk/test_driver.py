"""The driver against real servers: what it lists and calls, its sessions, and what it makes of servers that fail."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.egress import Egress
from penstock.limits import Limits
from penstock.secrets import Secret
from penstock.tools.mcp.client import LocalServer, McpFailed, RemoteServer
from penstock_adapters.mcp_sdk import SdkClient, session_opener
from requirements import shows
from support.certificates import Authority
from support.mcp_lab import TOKEN, McpLab, OddServer
from support.waiting import until_in_loop

LIMITS = Limits(mcp_list_s=5, mcp_session_idle_s=30)
PROGRAM = Path(__file__).parents[2] / "support/mcp_program.py"


def remote(url: str, token: str | None = None, owner: str = "me", **fields: Any) -> RemoteServer:
    from penstock.tools.mcp.own_servers import own_target

    headers = (("authorization", Secret(f"Bearer {token}")),) if token else ()
    return RemoteServer(**{"owner": owner, "target": own_target(url), "headers": headers, "is_own": True} | fields)


def program(**fields: Any) -> LocalServer:
    env = (("LAB_KEY", Secret("lab-key")), ("PYTHONPATH", Secret(os.pathsep.join(sys.path))))
    return LocalServer(**{"owner": "me", "command": sys.executable, "args": (str(PROGRAM),), "env": env} | fields)


def drive(scenario: Callable[[SdkClient], Awaitable[None]], limits: Limits = LIMITS) -> None:
    """Run it with a client, of which nothing may be left."""

    async def run() -> None:
        client = SdkClient(limits, Egress())
        try:
            await scenario(client)
        finally:
            await client.aclose()
        await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == []

    asyncio.run(run())


async def listed(client: SdkClient, server: Any, tools_max: int = 100) -> Any:
    return await client.list_tools(server, tools_max=tools_max)


async def called(client: SdkClient, server: Any, name: str, **arguments: Any) -> Any:
    return await client.call_tool(server, name, arguments, timeout_s=20)


async def failure(asked: Awaitable[Any]) -> McpFailed:
    with pytest.raises(McpFailed) as caught:
        await asked
    return caught.value


def test_lists_and_calls(lab: McpLab) -> None:
    async def scenario(client: SdkClient) -> None:
        server = remote(lab.url)
        tools = {tool.name: tool for tool in (await listed(client, server)).tools}
        assert tools["look"].read_only
        assert not tools["roll"].read_only
        assert tools["roll"].description == "Roll a die."
        assert b'"sides"' in bytes(tools["roll"].input_schema)
        result = await called(client, server, "roll", sides=20)
        assert ([block.text for block in result.content], result.is_error) == (["4 of 20"], False)
        assert (await called(client, server, "fail")).is_error
        [picture] = (await called(client, server, "picture")).content
        assert (picture.kind, picture.mime_type) == ("image", "image/png")
        much = await called(client, server, "much", size=1_000_000)
        assert len(much.content[0].text) == 1_000_000

    drive(scenario)


def test_a_session_is_used_again_and_its_owner_is_its_only_user(lab: McpLab) -> None:
    async def scenario(client: SdkClient) -> None:
        for _ in range(3):
            await listed(client, remote(lab.url))
            await called(client, remote(lab.url), "roll")
        begun = len(lab.requests)
        await called(client, remote(lab.url), "roll")
        assert len(lab.requests) == begun + 1
        await called(client, remote(lab.url, owner="other"), "roll")
        assert len(lab.requests) > begun + 2

    drive(scenario)


def test_many_calls_share_a_session(lab: McpLab) -> None:
    async def scenario(client: SdkClient) -> None:
        server = remote(lab.url)
        calls = [called(client, server, "wait", seconds=0.2) for _ in range(10)]
        begun = asyncio.get_running_loop().time()
        await asyncio.gather(*calls)
        assert asyncio.get_running_loop().time() - begun < 5
        assert lab.calls["wait"] == 10

    drive(scenario)


def test_idle_sessions_end_and_make_room(lab: McpLab) -> None:
    async def scenario(client: SdkClient) -> None:
        for owner in "abc":
            await called(client, remote(lab.url, owner=owner), "roll")
        driver: Any = await client._driver()
        assert len(driver._pool) == 2
        await until_in_loop(lambda: len(driver._pool) == 0)
        busy = [asyncio.create_task(called(client, remote(lab.url, owner=x), "wait", seconds=1)) for x in "de"]
        await asyncio.sleep(0.2)
        assert "Too many MCP servers" in (await failure(called(client, remote(lab.url, owner="f"), "roll"))).message
        await asyncio.gather(*busy)

    drive(scenario, Limits(mcp_sessions_max=2, mcp_session_idle_s=1.5, mcp_list_s=5))


@shows("fair-tools")
def test_the_sessions_of_one_owner_leave_some_for_others(lab: McpLab) -> None:
    async def scenario(client: SdkClient) -> None:
        server = remote(lab.url, "first")
        busy = asyncio.create_task(called(client, server, "wait", seconds=0.5))
        await until_in_loop(lambda: lab.calls["wait"] == 1)
        assert "Too many MCP servers" in (await failure(called(client, remote(lab.url, "second"), "roll"))).message
        assert (await called(client, remote(lab.url, owner="other"), "roll")).content
        await busy

    drive(scenario, Limits(mcp_sessions_max=2, mcp_sessions_per_key_max=1, mcp_list_s=5))


def test_a_cancelled_call_is_cancelled_at_the_server(lab: McpLab) -> None:
    async def scenario(client: SdkClient) -> None:
        server = remote(lab.url)
        running = asyncio.create_task(called(client, server, "wait", seconds=30))
        await until_in_loop(lambda: lab.calls["wait"] == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await until_in_loop(lambda: lab.cancelled == ["wait"])
        await called(client, server, "roll")

    drive(scenario)


def test_tokens_are_sent_and_statuses_are_reported(lab: McpLab) -> None:
    async def scenario(client: SdkClient) -> None:
        url = f"http://{lab.address}/locked/mcp"
        assert (await called(client, remote(url, TOKEN), "roll")).content[0].text == "4 of 6"
        for token in (None, "wrong-canary"):
            failed = await failure(listed(client, remote(url, token)))
            assert (failed.http_status, failed.message) == (401, "The server has answered with the HTTP status 401.")

    drive(scenario)


def test_a_server_that_was_away_and_is_back() -> None:
    async def scenario(client: SdkClient) -> None:
        with McpLab() as first:
            server = remote(first.url)
            await called(client, server, "roll")
        failed = await failure(called(client, server, "roll"))
        assert failed.message == "The server cannot be reached."
        with McpLab(port=server.target.port):
            assert (await called(client, server, "roll")).content[0].text == "4 of 6"

    drive(scenario)


ODD: dict[str, tuple[str, int | None]] = {
    "garbage": ("Failed to parse JSON response", None),
    "html": ("Unexpected content type", None),
    "huge": ("longer than 8388608 bytes", None),
    "values": ("more than 50000 JSON values", None),
    "event-of-values": ("more than 50000 JSON values", None),
    "endless-event": ("longer than 8388608 bytes", None),
    "packed": ("compressed, which was not asked for", None),
    "cut": ("connection to the server was lost", None),
    "cut-stream": ("stream ended without a response", None),
    "wrong-result": ("does not follow the protocol", None),
    "refusing": ("no refusing for lab-token-canary", None),
    "405": ("HTTP status 405", 405),
    "elsewhere": ("not followed", None),
    "500": ("HTTP status 500", 500),
    "403": ("HTTP status 403", 403),
    "429": ("HTTP status 429", 429),
}


@pytest.mark.parametrize("path", ODD)
def test_servers_that_answer_wrongly(odd: OddServer, path: str) -> None:
    """Each is an error of the call, with its reason; the next call finds a session that works."""

    async def scenario(client: SdkClient) -> None:
        message, status = ODD[path]
        for ask in (listed(client, remote(odd.url(path))), called(client, remote(odd.url(path)), "roll")):
            failed = await failure(ask)
            assert (message in failed.message, failed.http_status) == (True, status), failed.message

    drive(scenario)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("no-schema", "tools.1.inputSchema: Field required"),
        ("no-name", "tools.0.name: Field required"),
        ("no-object", "tools.0.inputSchema.type: Input should be 'object'"),
    ],
)
def test_the_fault_of_a_list_is_named(odd: OddServer, path: str, fault: str) -> None:
    async def scenario(client: SdkClient) -> None:
        failed = await failure(listed(client, remote(odd.url(path))))
        assert failed.message == f"The server's answer does not follow the protocol: {fault}."

    drive(scenario)


def test_the_pages_of_a_list_are_bounded_together(odd: OddServer) -> None:
    async def scenario(client: SdkClient) -> None:
        failed = await failure(listed(client, remote(odd.url("large-pages")), tools_max=1_000))
        assert failed.message == "The server's list is longer than 8388608 bytes."
        assert odd.hits["large-pages"] < 15

    drive(scenario)


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_servers_of_every_version_of_the_protocol(odd: OddServer, version: str) -> None:
    async def scenario(client: SdkClient) -> None:
        server = remote(odd.url(f"era-{version}"))
        [tool] = (await listed(client, server)).tools
        assert bytes(tool.input_schema) == b'{"properties":{},"type":"object"}'
        assert (await called(client, server, "roll")).content[0].text == "done"

    drive(scenario)


def test_a_server_that_talks_during_a_call(odd: OddServer) -> None:
    """Notifications, and requests for what is not offered, change nothing."""

    async def scenario(client: SdkClient) -> None:
        for _ in range(2):
            assert (await called(client, remote(odd.url("talking")), "roll")).content[0].text == "done"

    drive(scenario)


@pytest.mark.parametrize(("path", "count"), [("twice", 2), ("thousand", 1_000), ("odd-names", 4)])
def test_odd_lists_are_listed(odd: OddServer, path: str, count: int) -> None:
    async def scenario(client: SdkClient) -> None:
        assert len((await listed(client, remote(odd.url(path)), tools_max=1_000)).tools) == count

    drive(scenario)


@shows("memory")
def test_a_stream_without_end(odd: OddServer) -> None:
    """Of short events, none of which is an answer."""

    async def scenario(client: SdkClient) -> None:
        for _ in range(2):
            failed = await failure(listed(client, remote(odd.url("endless-events"))))
            assert "longer than 50000 bytes" in failed.message

    drive(scenario, replace(LIMITS, mcp_stream_bytes_max=50_000))


def test_a_server_that_hangs(odd: OddServer) -> None:
    async def scenario(client: SdkClient) -> None:
        failed = await failure(listed(client, remote(odd.url("hang"))))
        assert "in time" in failed.message or "Timed out" in failed.message

    drive(scenario, Limits(mcp_list_s=0.3))


def test_pages_end(odd: OddServer) -> None:
    async def scenario(client: SdkClient) -> None:
        assert len((await listed(client, remote(odd.url("pages")), tools_max=7)).tools) == 7
        endless = await listed(client, remote(odd.url("pages"), owner="other"), tools_max=10_000)
        assert len(endless.tools) == 101

    drive(scenario)


def test_what_nothing_listens_to_and_what_may_not_be_called(lab: McpLab) -> None:
    """The same words for a closed port and for a refused address: no client learns which addresses there are."""

    async def scenario(client: SdkClient) -> None:
        closed = await failure(listed(client, remote("http://127.0.0.1:9/")))
        refused = await failure(listed(client, remote(lab.url, is_own=False)))
        assert closed.message == refused.message == "The server cannot be reached."
        assert lab.requests == []
        named = remote(lab.url.replace("127.0.0.1", "localhost"), is_own=False)
        assert (await failure(listed(client, named))).message == closed.message
        assert lab.requests == []
        assert (await called(client, remote(lab.url.replace("127.0.0.1", "localhost")), "roll")).content

    drive(scenario)


def test_a_call_is_never_repeated_but_after_a_forgotten_session(odd: OddServer) -> None:
    async def scenario(client: SdkClient) -> None:
        await failure(called(client, remote(odd.url("cut")), "roll"))
        assert odd.hits["cut"] == 4  # discover, initialize, its notification, and the call
        assert odd.hits["cut"] < 6

    drive(scenario)


def test_a_certificate_is_for_the_name_and_the_connection_for_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is pinned to 127.0.0.1, and the certificates are for names alone."""
    authority = Authority(tmp_path, "lab")
    context = ssl.create_default_context(cafile=authority.ca_file)
    monkeypatch.setattr(session_opener, "tls_context", lambda: context)

    async def scenario(client: SdkClient) -> None:
        for host, works in (("localhost", True), ("mcp.example", False)):
            with McpLab(certificate=authority.issue_for_host(host)) as lab:
                server = remote(lab.url.replace("http://127.0.0.1", "https://localhost"))
                if works:
                    assert (await called(client, server, "roll")).content[0].text == "4 of 6"
                else:
                    assert (await failure(called(client, server, "roll"))).message == "The server cannot be reached."
                    assert lab.requests == []

    drive(scenario)


def test_a_program(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(client: SdkClient) -> None:
        assert [tool.name for tool in (await listed(client, program())).tools] == ["echo", "die"]
        words = (await called(client, program(), "echo", text="Hi")).content[0].text.split()
        assert words[:3] == ["Hi", "lab-key", "clean"]
        again = (await called(client, program(), "echo", text="Hi")).content[0].text.split()
        assert again[3] == words[3]
        failed = await failure(called(client, program(), "die"))
        assert failed.code == -32000
        third = (await called(client, program(), "echo", text="Hi")).content[0].text.split()
        assert third[3] != words[3]
        missing = await failure(listed(client, LocalServer(owner="me", command="/no/such/program")))
        assert missing.message == "The program of the server cannot be started."

    os.environ["PENSTOCK_API_KEYS"] = "key-canary"
    try:
        with caplog.at_level(logging.DEBUG):
            drive(scenario)
    finally:
        del os.environ["PENSTOCK_API_KEYS"]
    assert "lab-key" not in caplog.text


RUN = f"import runpy; runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"
PROGRAMS = {
    "prints": f"print('starting'); print('{{nonsense'); print('\\x00', flush=True); {RUN}",
    "ignores signals": f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {RUN}; time.sleep(60)",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_odd_programs_work_and_end(name: str) -> None:
    pid = 0

    async def scenario(client: SdkClient) -> None:
        nonlocal pid
        words = (await called(client, program(args=("-c", PROGRAMS[name])), "echo", text="Hi")).content[0].text.split()
        pid = int(words[3])

    begun_s = time.monotonic()
    drive(scenario)
    assert time.monotonic() - begun_s < 20  # and not the minute that a program goes on for by itself
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("code", ["pass", "import time; time.sleep(60)"], ids=["ends", "silent"])
def test_programs_that_are_no_servers(code: str) -> None:
    async def scenario(client: SdkClient) -> None:
        failed = await failure(listed(client, program(args=("-c", code))))
        assert failed.message in ("Connection closed", "The server has not begun a session in time.")

    drive(scenario, Limits(mcp_list_s=1.0))


def test_a_session_that_the_server_forgets_is_followed_by_another(odd: OddServer) -> None:
    async def scenario(client: SdkClient) -> None:
        for _ in range(9):
            assert len((await listed(client, remote(odd.url("forgetful")))).tools) == 1

    drive(scenario)
    assert odd.hits["forgetful"] > 12


def test_no_secret_is_in_a_log(lab: McpLab, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(client: SdkClient) -> None:
        server = remote(f"{lab.url}?key=query-canary", TOKEN)
        assert "canary" in (await called(client, server, "headers")).content[0].text
        await failure(listed(client, remote("http://127.0.0.1:9/path-canary", TOKEN)))

    with caplog.at_level(logging.DEBUG):
        drive(scenario)
    assert "canary" not in caplog.text


def test_nothing_is_imported_before_the_first_use() -> None:
    code = (
        "import sys; from penstock_adapters import drivers; from penstock.settings import load;"
        "drivers.create_asgi_app(load({}, {'PENSTOCK_MCP': 'on', 'PENSTOCK_STORE': 'memory://'}));"
        "print(*[name for name in ('mcp', 'httpx2', 'pydantic', 'anyio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
