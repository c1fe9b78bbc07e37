"""What a call of an MCP server costs: the driver beside the bare SDK, and responses beside servers of others.

Run by hand: `python -m bench.mcp_calls [--calls 200] [--responses 50] [--peers litellm,agentic-api]`. Figures are CPU
of the process that calls; the MCP server and the model are processes of their own. Responses come one after another,
are JSON and not stored, and are two turns of the model with one call of a tool between them.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from bench.machine import public
from bench.peers import AGENTIC_API, LITELLM_COMMAND, LITELLM_VARIABLES, PEERS
from bench.processes import Child, StartError, cores, free_port, running
from bench.rounds import start, start_upstream
from bench.servers import NO_STORE, UPSTREAM, Server
from penstock.egress import Egress, Target
from penstock.limits import Limits
from penstock.tools.mcp.client import RemoteServer
from penstock_adapters.mcp_sdk import SdkClient

MODEL = "tool-200"
ROUNDS = 5
CALL_S = 30.0
ARGUMENTS = {"text": "rivers"}
RESULT = b"rivers"
"""What the tool returns, and each server shows in an item of its own."""
LITELLM_CONFIG = """\
model_list:
- {{model_name: "tool-200", litellm_params: {{model: "openai/tool-200", api_base: "{upstream}", api_key: none,
   use_chat_completions_api: true}}}}
mcp_servers:
  bench: {{url: "MCP_URL", transport: http, allow_all_keys: true}}
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """A server that calls MCP servers, and the `server_url` that it is asked with."""

    server: Server
    server_url: str

    def body(self, *, calls: bool) -> bytes:
        """Return a request, which offers the tool or not."""
        tool = {"type": "mcp", "server_label": "bench", "server_url": self.server_url, "require_approval": "never"}
        tools = [tool] if calls else []
        return json.dumps({"model": MODEL, "input": "Call.", "store": False, "tools": tools}).encode()


def callers(mcp_url: str, mcp_port: int) -> Iterator[Caller]:
    """Yield all servers; `mcp_url` is the MCP server's."""
    variables = {"PENSTOCK_MCP": "on", "PENSTOCK_EGRESS_ALLOW": f"127.0.0.1:{mcp_port}"}
    yield Caller(Server("penstock", (*UPSTREAM, *NO_STORE), environment=variables), mcp_url)
    litellm = Server(
        "litellm", LITELLM_COMMAND, config=LITELLM_CONFIG.replace("MCP_URL", mcp_url), environment=LITELLM_VARIABLES
    )
    yield Caller(litellm, "litellm_proxy/mcp/bench")
    yield from (Caller(peer.server, mcp_url) for peer in PEERS if peer.server.command[0] == AGENTIC_API)


@dataclass(slots=True)
class Cost:
    """What responses cost one server: CPU in milliseconds, memory in MB."""

    plain_ms: list[float] = field(default_factory=list)
    called_ms: list[float] = field(default_factory=list)
    first_ms: float = 0.0
    first_s: float = 0.0
    idle_mb: float = 0.0
    called_mb: float = 0.0

    def row(self, name: str) -> str:
        """Return the figures as a line of the table."""
        plain, called = statistics.median(self.plain_ms), statistics.median(self.called_ms)
        figures = f"{plain:.2f} | {called:.2f} | {called / plain:.1f} | {self.first_ms:.0f} | {self.first_s:.2f}"
        return f"| {name} | {figures} | {self.idle_mb:.0f} | {self.called_mb:.0f} |"


def ask(connection: http.client.HTTPConnection, body: bytes, *, calls: bool) -> None:
    """Send a request and read its reply, which has to have the call's output."""
    connection.request("POST", "/v1/responses", body, {"content-type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    if reply.status != http.client.OK or b'"completed"' not in text or calls != (RESULT in text):
        raise StartError(f"status {reply.status}: {text[:300]!r}")


def cost_of(caller: Caller, child: Child, responses: int) -> Cost:
    """Ask one server without the tool and with it, in alternating rounds."""
    plain, calling = caller.body(calls=False), caller.body(calls=True)
    connection = http.client.HTTPConnection("127.0.0.1", child.port, timeout=CALL_S)

    def spent_ms(body: bytes, count: int, *, calls: bool) -> float:
        begun_s = child.cpu_s()
        for _ in range(count):
            ask(connection, body, calls=calls)
        return (child.cpu_s() - begun_s) / count * 1e3

    cost = Cost()
    spent_ms(plain, responses, calls=False)
    cost.idle_mb = child.rss_mb()
    begun_s = time.perf_counter()
    cost.first_ms = spent_ms(calling, 1, calls=True)
    cost.first_s = time.perf_counter() - begun_s
    spent_ms(calling, responses, calls=True)
    for _ in range(ROUNDS):
        cost.plain_ms.append(spent_ms(plain, responses, calls=False))
        cost.called_ms.append(spent_ms(calling, responses, calls=True))
    cost.called_mb = child.rss_mb()
    connection.close()
    return cost


def compare(mcp_port: int, names: Sequence[str], responses: int) -> None:
    """Measure whole responses, and print a Markdown table."""
    print(
        "\n| server | plain ms | with a call ms | ratio | first call ms | first call s | RSS MB | RSS after calls MB |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for caller in callers(f"http://127.0.0.1:{mcp_port}/mcp", mcp_port):
        name = caller.server.name
        if name not in names:
            continue
        fault = next((peer.absent_because(print) for peer in PEERS if peer.server.name == name), "")
        try:
            with contextlib.ExitStack() as stack:
                if fault:
                    raise StartError(fault)
                child = start(stack, caller.server, start_upstream(stack))
                print(cost_of(caller, child, responses).row(name))
        except (StartError, OSError, http.client.HTTPException) as error:
            print(f"| {name} | {public(str(error))} |")


async def spent_us(call: Callable[[], Awaitable[object]], calls: int) -> float:
    """Return the CPU of this process for one call, in microseconds."""
    begun_s = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - begun_s) / calls * 1e6


async def drive(mcp_port: int, calls: int) -> None:
    """Measure the driver beside the bare SDK, in alternating rounds, and print both."""
    target = Target(is_secure=False, host="127.0.0.1", port=mcp_port, path="/mcp")
    driver = SdkClient(Limits(), Egress())
    owners = (RemoteServer(owner=str(number), target=target, is_own=True) for number in range(1_000_000))
    warm = next(owners)

    async def by_driver(server: RemoteServer = warm) -> object:
        return await driver.call_tool(server, "echo", ARGUMENTS, timeout_s=CALL_S)

    async def by_driver_in_new_session() -> object:
        server = next(owners)
        await driver.list_tools(server, tools_max=10)
        return await by_driver(server)

    async with Client(streamable_http_client(f"http://127.0.0.1:{mcp_port}/mcp")) as client:

        async def by_sdk() -> object:
            return await client.call_tool("echo", ARGUMENTS)

        ways = {"bare SDK": by_sdk, "driver": by_driver, "driver, new session": by_driver_in_new_session}
        for way in ways.values():
            await spent_us(way, 10)
        rounds = [[await spent_us(way, calls) for way in ways.values()] for _ in range(ROUNDS)]
    await driver.aclose()
    base = [each[0] for each in rounds]
    print("| one call | CPU us | of bare SDK |\n| --- | ---: | ---: |")
    for name, costs in zip(ways, zip(*rounds, strict=True), strict=True):
        ratio = statistics.median(cost / bare for cost, bare in zip(costs, base, strict=True))
        print(f"| {name} | {statistics.median(costs):.0f} | {ratio:.2f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.mcp_calls", description="Measure calls of MCP servers.")
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--responses", type=int, default=50)
    parser.add_argument("--peers", default="litellm,agentic-api")
    choices = parser.parse_args()
    port = free_port()
    command = (sys.executable, "-m", "bench.mcp_server", "--port", str(port))
    with running(command, port, cores()[1]):
        asyncio.run(drive(port, choices.calls))
        compare(port, ["penstock", *choices.peers.split(",")], choices.responses)


if __name__ == "__main__":
    main()
