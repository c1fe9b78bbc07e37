"""What fails on the way to an upstream, in plain words: the same ones in every transport.

It knows the errors of sockets and of OpenSSL. No text has an address in it, which is no business of a client's.
"""

from __future__ import annotations

import errno
import os
import ssl

CLOSED = "it closed the connection"
NO_ANSWER = "no answer in time"
NO_CONNECTION = "no connection in time"
NO_HOST = "its host name cannot be resolved"
NO_HTTP = "what it sent is not HTTP"
SPEAKS_TLS = "it speaks TLS; is its URL https:// and not http://?"
WRONG_CODING = "its body is not of the content-encoding that its head says"

INFORMATIONAL_MAX = 100
"""So many replies of status 1xx may come before the one that counts."""
ENDLESS = f"it sent over {INFORMATIONAL_MAX} informational replies and no other"

_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"})
"""How OpenSSL calls what is no TLS."""
_CLOSED = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN, errno.ESHUTDOWN})


def untrusted(error: BaseException) -> str:
    """A certificate that is refused."""
    reason = getattr(error, "verify_message", "") or "it is for another host"
    return f"its certificate is not trusted ({reason})"


def handshake_failed(error: BaseException) -> str:
    """A TLS handshake that fails for another reason than the certificate."""
    reason = getattr(error, "reason", None) or ""
    if reason in _NOT_TLS:
        return "it does not speak TLS; is its URL http:// and not https://?"
    return f"the TLS handshake failed ({reason.replace('_', ' ').lower() or 'no reason was given'})"


def unconnected(error: OSError) -> str:
    """No connection at all."""
    return _system(error, "no connection")


def lost(error: OSError) -> str:
    """A connection that breaks."""
    if isinstance(error, ConnectionError | ssl.SSLError) or error.errno in _CLOSED:
        return CLOSED
    return _system(error, "the connection failed")


def _system(error: OSError, otherwise: str) -> str:
    """The system's words."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else otherwise
