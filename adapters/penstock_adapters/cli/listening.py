"""Listening: the sockets from which a server accepts its connections.

It knows addresses and the system's errors for them. Connections wait in a socket as soon as it exists.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from penstock.settings import Settings, SettingsError, check_exposure, is_loopback

from .systemd import inherited_sockets

_BACKLOG = 2_048
_PROBE_S = 1.0
"""How long a server at a Unix socket has to accept a connection."""


def listeners_of(settings: Settings) -> tuple[list[socket.socket], Settings]:
    """The sockets of a server: those of systemd, a Unix socket, or one for each worker. Raises `SettingsError`.

    The settings have the address of systemd's socket, which the rules of access depend on.
    """
    if inherited := inherited_sockets():
        return inherited, _inherited(inherited, settings)
    if settings.uds:
        return [listen_unix(settings.uds, int(settings.uds_mode, 8))], settings
    if settings.workers > 1:
        return listen_together(settings.host, settings.port, settings.workers), settings
    return [listen(settings.host, settings.port)], settings


def _inherited(sockets: Sequence[socket.socket], settings: Settings) -> Settings:
    """The settings with the address of the sockets. Where other machines can reach it, they need a key."""
    if settings.uds:
        raise SettingsError("uds", "systemd has opened the socket of this server: leave this out")
    if len(sockets) > settings.workers:
        raise SettingsError("workers", f"systemd has opened {len(sockets)} sockets, and a worker serves one of them")
    for each in sockets:
        if each.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(each.getsockname()[0]):
            settings = replace(settings, host=each.getsockname()[0])
    # spec: inherited-sockets
    check_exposure(settings, "PENSTOCK_API_KEYS")
    return settings


def listen_unix(path: str, mode: int) -> socket.socket:
    """A Unix socket at this path, which those may use whom `mode` lets write. Raises `SettingsError`.

    The file of a server that has crashed is replaced. That of one that runs is not.
    """
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o777 & ~mode)
    try:
        _remove_unused(path)
        listener.bind(path)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        problem = os.strerror(error.errno).lower() if error.errno else str(error)
        raise SettingsError("uds", f"cannot listen on {path}: {problem}") from None
    finally:
        os.umask(before)
    return listener


def _remove_unused(path: str) -> None:
    """Remove the file of a socket on which no server listens. Raises `OSError` where one does."""
    if not Path(path).is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_S)
        if probe.connect_ex(path) != errno.ECONNREFUSED:  # only then it is certain that no server is there
            raise OSError(errno.EADDRINUSE, "")
    # spec: unix-sockets
    remove_socket(path)


def remove_socket(path: str | None) -> None:
    """Remove the file of a Unix socket, at the end of its server."""
    if path:
        Path(path).unlink(missing_ok=True)


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
