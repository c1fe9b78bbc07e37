"""Faults: the reason for a missing or incomplete reply, as a value that can be stored.

A stored `TransportError` that is raised would form a cycle through its traceback, so it is made when it is raised.
"""

from __future__ import annotations

import socket
import ssl

import msgspec

from penstock.ports import TransportError
from penstock_adapters import fault_texts


class TransportFault(msgspec.Struct, frozen=True):
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


def connecting_failed(error: OSError) -> TransportFault:
    """The fault of a connection that could not be made."""
    return TransportFault(
        _why_unconnected(error),
        was_connected=False,
        timed_out=isinstance(error, TimeoutError),
        cause=_described(error),
    )


def connection_lost(error: Exception | None) -> TransportFault:
    """The fault of a connection that has ended before the reply."""
    if error is None:
        return TransportFault(fault_texts.CLOSED)
    timed_out = isinstance(error, TimeoutError)
    text = fault_texts.lost(error) if isinstance(error, OSError) else fault_texts.CLOSED
    return TransportFault(fault_texts.NO_ANSWER if timed_out else text, timed_out=timed_out, cause=_described(error))


def _why_unconnected(error: OSError) -> str:
    # spec: plain-faults
    match error:
        case socket.gaierror():
            return fault_texts.NO_HOST
        case ssl.SSLCertVerificationError():
            return fault_texts.untrusted(error)
        case ssl.SSLError():
            return fault_texts.handshake_failed(error)
        case TimeoutError():
            return fault_texts.NO_CONNECTION
        case _:
            return fault_texts.unconnected(error)


def _described(error: Exception) -> str:
    """The text for the log."""
    return f"{type(error).__name__}: {error}"
