"""TLS: how an upstream's certificate is checked, and which certificates this process presents, as client and as server.

It knows the settings `tls.*`, `tls_cert` and `tls_key`, and OpenSSL's context.
"""

from __future__ import annotations

import logging
import ssl
from functools import cache
from pathlib import Path

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
        _load(context, tls.cert_file, tls.key_file, f"{where}.cert_file", f"{where}.key_file")
    return context


@cache
def _of_pages() -> ssl.SSLContext:
    """The context of all pages of the web: each is read once, and reading the system's authorities takes 18 ms."""
    return ssl.create_default_context()


def server_context(cert: str, key: str | None) -> ssl.SSLContext:
    """The context of a server with this certificate, for HTTP/1.1. Raises `SettingsError` for files of no use."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    _load(context, cert, key, "tls_cert", "tls_key")
    return context


def _load(context: ssl.SSLContext, cert: str, key: str | None, cert_setting: str, key_setting: str) -> None:
    """Load a certificate and its key. Raises `SettingsError`, which names the setting of the file that is wrong."""
    key_setting, key_file = (key_setting, key) if key else (cert_setting, cert)
    _check(cert, "CERTIFICATE", cert_setting, "it has no certificate in PEM")
    _check(key_file, "PRIVATE KEY", key_setting, "it has no key in PEM")
    # spec: tls-files
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except _NeedsPasswordError:
        raise SettingsError(key_setting, f"cannot use {key_file}: its key needs a password") from None
    except ssl.SSLError as error:
        is_other = error.reason == "KEY_VALUES_MISMATCH"
        problem = "it is the key of another certificate" if is_other else "it is damaged, or its certificate is"
        raise SettingsError(key_setting, f"cannot use {key_file}: {problem}") from None


def _check(file: str, kind: str, setting: str, problem: str) -> None:
    """Check that a file can be read and has an entry of this kind."""
    try:
        text = Path(file).read_bytes()
    except OSError as error:
        raise SettingsError(setting, f"cannot use {file}: {_reason(error)}") from None
    if f"{kind}-----".encode() not in text:
        raise SettingsError(setting, f"cannot use {file}: {problem}")


class _NeedsPasswordError(Exception):
    """The key is encrypted. OpenSSL would ask for its password at the terminal."""


def _no_password() -> str:
    raise _NeedsPasswordError


def _reason(error: OSError) -> str:
    """Why a file cannot be used: the system's text, or OpenSSL's."""
    return "it is not PEM" if isinstance(error, ssl.SSLError) else str(error.strerror).lower()
