"""Faults: the reason for a missing or incomplete reply, as a value that can be stored.

A stored `TransportError` that is raised would form a cycle through its traceback, so it is made when it is raised.
"""

from __future__ import annotations

import socket
import ssl

import msgspec

from penstock.ports import TransportError
from penstock_adapters import faults as words


class UpstreamFailed(msgspec.Struct, frozen=True):
    """The fields of a `TransportError`."""

    message: str
    was_connected: bool = True
    timed_out: bool = False
    cause: str = ""

    def error(self) -> TransportError:
        """The error to be raised, a new one each time."""
        return TransportError(
            self.message, timed_out=self.timed_out, was_connected=self.was_connected, cause=self.cause
        )


def connecting_failed(error: OSError) -> UpstreamFailed:
    """The fault of a connection that could not be made."""
    return UpstreamFailed(
        _why_unconnected(error),
        was_connected=False,
        timed_out=isinstance(error, TimeoutError),
        cause=_described(error),
    )


def connection_lost(error: Exception | None) -> UpstreamFailed:
    """The fault of a connection that has ended before the reply."""
    if error is None:
        return UpstreamFailed(words.CLOSED)
    timed_out = isinstance(error, TimeoutError)
    text = words.lost(error) if isinstance(error, OSError) else words.CLOSED
    return UpstreamFailed(words.NO_ANSWER if timed_out else text, timed_out=timed_out, cause=_described(error))


def _why_unconnected(error: OSError) -> str:
    # spec: plain-faults
    match error:
        case socket.gaierror():
            return words.NO_HOST
        case ssl.SSLCertVerificationError():
            return words.untrusted(error)
        case ssl.SSLError():
            return words.handshake_failed(error)
        case TimeoutError():
            return words.NO_CONNECTION
        case _:
            return words.unconnected(error)


def _described(error: Exception) -> str:
    """The text for the log."""
    return f"{type(error).__name__}: {error}"
