"""The failures of connections to upstreams in plain words, the same in every transport.

It knows the errors of sockets and of OpenSSL. No text contains an address, which clients do not need.
"""

from __future__ import annotations

import errno
import os
import ssl

CLOSED = "it closed the connection"
NO_ANSWER = "no answer in time"
NO_FILES = "This server has too many open files for one more connection to the upstream."
NO_CONNECTION = "no connection in time"
NO_HOST = "its host name cannot be resolved"
NO_HTTP = "what it sent is not HTTP"
NO_TLS = "it does not use TLS; is its URL http:// and not https://?"
EXPECTS_TLS = "it uses TLS; is its URL https:// and not http://?"
WRONG_CODING = "its body is not of the content-encoding that its head states"

INFORMATIONAL_MAX = 100
"""How many replies of status 1xx may come before the final one."""
ENDLESS = f"it sent over {INFORMATIONAL_MAX} informational replies and no other"

_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"})
"""OpenSSL's reason for bytes that are not TLS."""
_CLOSED = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN, errno.ESHUTDOWN})
_FILE_LIMITS = frozenset({errno.EMFILE, errno.ENFILE})
"""Errors at the limit of open files: that of a process, and that of the system."""


def lacks_files(error: BaseException | None) -> bool:
    """Whether a connection could not be made because this process or its machine has no free file descriptor."""
    return isinstance(error, OSError) and error.errno in _FILE_LIMITS


def untrusted(error: BaseException) -> str:
    """The text for a certificate that is not trusted."""
    reason = getattr(error, "verify_message", "") or "it is for another host"
    return f"its certificate is not trusted ({reason})"


def handshake_failed(error: BaseException) -> str:
    """The text for a TLS handshake that fails for another reason than the certificate."""
    reason = getattr(error, "reason", None) or ""
    if reason in _NOT_TLS:
        return NO_TLS
    return f"the TLS handshake failed ({reason.replace('_', ' ').lower() or 'no reason was given'})"


def unconnected(error: OSError) -> str:
    """The text for a connection that cannot be made."""
    return _system(error, "no connection")


def lost(error: OSError) -> str:
    """The text for a connection that breaks."""
    if isinstance(error, ConnectionError | ssl.SSLError) or error.errno in _CLOSED:
        return CLOSED
    return _system(error, "the connection failed")


def _system(error: OSError, otherwise: str) -> str:
    """The system's text."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else otherwise
