"""Sockets that systemd opened for this process, and messages to systemd about the state of the process.

It knows the two protocols. Source: sd_listen_fds(3) and sd_notify(3) of systemd's manual.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping

_FIRST = 3
"""The file descriptor of the first socket."""
_SOCKETS_MAX = 64

_log = logging.getLogger("penstock.serving")


def inherited_sockets(environment: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """The listening sockets that systemd has opened for this process. Further calls return none of them."""
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    # spec: inherited-sockets
    sockets = [socket.socket(fileno=_FIRST + number) for number in range(min(int(count), _SOCKETS_MAX))]
    for each in sockets:
        os.set_inheritable(each.fileno(), False)
    return sockets


def notify(state: str) -> None:
    """Send systemd a state such as `READY=1`, where it wants to know. It never fails."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"  # the abstract namespace
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(state.encode(), address)
    except OSError as error:
        _log.warning("systemd was not notified: %s", error)
