"""TLS to upstreams: how an upstream's certificate is checked, and which certificate the client presents.

It knows the settings `tls.*` and OpenSSL's context. Every transport takes its context from here.
"""

from __future__ import annotations

import logging
import ssl
from functools import cache

from penstock.ports import Destination, Tls
from penstock.settings import SettingsError

_log = logging.getLogger("penstock.tls")


def client_context(destination: Destination) -> ssl.SSLContext:
    """The context of an upstream's `tls.*`. Raises `SettingsError` for files that cannot be used."""
    tls = destination.tls
    if destination.egress is not None and tls == Tls():
        return _of_pages()
    where = f"upstream {destination.name}: tls"
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:
        raise SettingsError(f"{where}.ca_file", f"cannot use {tls.ca_file}: {_reason(error)}") from None
    if tls.insecure:
        _log.warning("upstream %s: its certificate is not checked, so that others can impersonate it", destination.name)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file)
        except OSError as error:
            raise SettingsError(f"{where}.cert_file", f"cannot use {tls.cert_file}: {_reason(error)}") from None
    return context


@cache
def _of_pages() -> ssl.SSLContext:
    """The context of all pages of the web: each is read once, and reading the system's authorities takes 18 ms."""
    return ssl.create_default_context()


def _reason(error: OSError) -> str:
    """Why a file cannot be used: the system's text, or OpenSSL's."""
    return "it is not PEM, or the key is another's" if isinstance(error, ssl.SSLError) else str(error.strerror).lower()
