"""The command `penstock health`: it asks a running server of this machine whether it is well, as probes do.

It knows HTTP as far as a status line, and needs no HTTP client: a probe starts a process every few seconds.
"""

from __future__ import annotations

import socket
import sys

from penstock.settings import Settings

from .startup_banner import HERE

_WITHIN_S = 5.0
_HEAD_BYTES_MAX = 64


def health(settings: Settings, *, ready: bool) -> int:
    """Print the state of the server of these settings. The exit code is 0 if it is well, else 1."""
    path = "/readyz" if ready else "/healthz"
    try:
        status = _status(settings, path)
    except (OSError, ValueError) as error:
        return _unwell(f"no answer from {_address(settings)}: {error}")
    if status != 200:
        return _unwell(f"{_address(settings)} answers {path} with status {status}")
    sys.stdout.write("ok\n")
    return 0


def _unwell(problem: str) -> int:
    sys.stderr.write(f"penstock: {problem}\n")
    return 1


def _address(settings: Settings) -> str:
    return settings.uds or f"{settings.host} port {settings.port}"


def _status(settings: Settings, path: str) -> int:
    """The status of the reply. Raises `OSError`, and `ValueError` where it is not HTTP."""
    with _connected(settings) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        head = b""
        while b"\r\n" not in head and len(head) < _HEAD_BYTES_MAX:
            piece = connection.recv(_HEAD_BYTES_MAX)
            if not piece:
                break
            head += piece
    version, _, rest = head.partition(b" ")
    if not version.startswith(b"HTTP/1."):
        raise ValueError("the reply is not HTTP")
    return int(rest[:3])


def _connected(settings: Settings) -> socket.socket:
    connection = _connection(settings)
    if settings.tls_cert is None:
        return connection
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False  # the certificate is for the name that clients use, and this is the same machine
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)


def _connection(settings: Settings) -> socket.socket:
    if not settings.uds:
        host = HERE.get(settings.host, settings.host)
        return socket.create_connection((host, settings.port), timeout=_WITHIN_S)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_WITHIN_S)
    try:
        connection.connect(settings.uds)
    except OSError:
        connection.close()
        raise
    return connection
