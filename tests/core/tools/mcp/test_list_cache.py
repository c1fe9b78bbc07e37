"""The cache of lists: by age, by what the server states, and within its bytes."""

from __future__ import annotations

from core.tools.mcp.kit import asked, mcp, remote
from penstock.egress import Egress
from penstock.limits import Limits
from penstock.tools.mcp.client import Server, ToolList
from penstock.tools.mcp.declared_servers import read_servers
from penstock.tools.mcp.list_cache import ListCache
from penstock.tools.mcp.own_servers import OwnServers
from requirements import shows


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def server(owner: str = "me", token: str = "a") -> Server:
    request = asked(mcp(authorization=token), owner=owner)
    return read_servers(request.tools, owner, OwnServers(), Egress(), Limits())[0].server


def test_a_list_is_fresh_for_a_while() -> None:
    clock = Clock()
    cache = ListCache(Limits(mcp_list_fresh_s=60), clock)
    tools = ToolList(tools=[remote()])
    cache.store(server(), tools)
    clock.now += 59.9
    assert cache.fresh(server()) is tools
    assert cache.fresh(server(), age_max_s=30) is None
    clock.now += 0.1
    assert cache.fresh(server()) is None


def test_a_server_states_for_how_long() -> None:
    clock = Clock()
    cache = ListCache(Limits(mcp_list_fresh_max_s=1_000), clock)
    cache.store(server(), ToolList(tools=[], fresh_s=0))
    assert cache.fresh(server()) is None
    cache.store(server(), ToolList(tools=[], fresh_s=1e9))
    clock.now += 999
    assert cache.fresh(server()) is not None
    assert cache.fresh(server(), age_max_s=60) is None
    clock.now += 1
    assert cache.fresh(server()) is None


def test_another_owner_and_another_token_have_other_lists() -> None:
    cache = ListCache(Limits(), Clock())
    cache.store(server(), ToolList(tools=[]))
    assert cache.fresh(server(owner="other")) is None
    assert cache.fresh(server(token="b")) is None
    assert cache.fresh(server()) is not None


def test_the_cache_has_a_size() -> None:
    cache = ListCache(Limits(mcp_list_cache_bytes_max=5_000), Clock())
    owners = [f"o{n}" for n in range(20)]
    for owner in owners:
        cache.store(server(owner), ToolList(tools=[remote(description="x" * 500)]))
        cache.fresh(server("o0"))
    known = [owner for owner in owners if cache.fresh(server(owner))]
    assert 2 <= len(known) < 8
    assert known[0] == "o0"
    cache.store(server("large"), ToolList(tools=[remote(description="x" * 9_000)]))
    assert cache.fresh(server("large")) is None
    assert not [owner for owner in owners if cache.fresh(server(owner))]


@shows("memory")
def test_lists_without_tools_have_a_size_too() -> None:
    """A client that names ever new servers and headers does not fill the memory."""
    cache = ListCache(Limits(mcp_list_cache_bytes_max=20_000), Clock())
    for number in range(100):
        cache.store(server(token=f"{number:04}" * 500), ToolList(tools=[]))
    assert len(cache._entries) < 10
