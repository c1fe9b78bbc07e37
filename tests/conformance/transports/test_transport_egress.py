"""A guarded transport connects to admitted addresses only, and a refused one looks like a closed port."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from conformance.transports.kit import KINDS, Kind, asked, fault_of, listening, run, sends
from penstock.egress import Egress
from penstock.limits import Limits
from penstock.ports import Destination, Transport
from requirements import shows

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def guarded(kind: Kind, url: str, *allow: str) -> Transport:
    return kind.connect(Destination(name="page", url=url, egress=Egress(allow)), Limits(connect_s=5))


@shows("egress")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0.0.0.0", "2130706433", "[::ffff:127.0.0.1]", "localhost"])
def test_no_notation_of_a_private_address_is_connected_to(kind: Kind, host: str) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, OK)) as upstream:
            port = upstream.base.rpartition(":")[2]
            transport = guarded(kind, f"http://{host}:{port}")
            fault = await fault_of(transport)
            assert not fault.was_connected
            assert upstream.connections == 0
            await transport.aclose()

    run(kind, scenario())


def test_an_allowed_address_is_connected_to_and_a_closed_port_has_the_same_words(kind: Kind) -> None:
    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, OK)) as upstream:
            transport = guarded(kind, upstream.base, upstream.base.removeprefix("http://"))
            assert await asked(transport) == (200, b"hello")
            await transport.aclose()
        closed = guarded(kind, upstream.base, upstream.base.removeprefix("http://"))
        refused = guarded(kind, upstream.base)
        faults = [await fault_of(each) for each in (closed, refused)]
        assert [str(fault) for fault in faults] == ["connection refused"] * 2
        assert faults[0].was_connected is faults[1].was_connected is False
        for each in (closed, refused):
            await each.aclose()

    run(kind, scenario())


class OtherLoopback(Egress):
    """A judgement for this machine: of two of its addresses, nothing listens at the one that is admitted."""

    def admits(self, host: str, port: int, address: str) -> bool:
        return address == "127.0.0.2"


@shows("egress")
@pytest.mark.parametrize("name", ["lean", "aiohttp"])  # uvloop's look-up cannot be replaced
def test_a_name_that_changes_its_address_is_judged_by_the_one_that_is_connected(name: str) -> None:
    """A client that checks one look-up and connects by another can be led anywhere."""
    kind = KINDS[name]

    async def scenario() -> None:
        async with listening(lambda upstream: sends(upstream, OK)) as upstream:
            port = int(upstream.base.rpartition(":")[2])
            lookups: list[str] = []

            def changing(host: str, *args: Any, **options: Any) -> list[Any]:
                lookups.append(host)
                address = "127.0.0.2" if len(lookups) % 2 else "127.0.0.1"
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(socket, "getaddrinfo", changing)
                for _ in range(4):
                    to = Destination(name="page", url=f"http://rebinding.example:{port}", egress=OtherLoopback())
                    transport = kind.connect(to, Limits())
                    assert str(await fault_of(transport)) == "connection refused"
                    await transport.aclose()
            assert lookups == ["rebinding.example"] * 4
            assert upstream.connections == 0

    run(kind, scenario())
