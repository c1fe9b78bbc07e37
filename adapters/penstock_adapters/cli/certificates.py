"""The certificate of the server: it is loaded at the start, and again when its files change, without a restart.

It knows the two files and OpenSSL's context. Connections that exist keep the certificate that they began with.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import TypeAlias

from penstock.settings import Settings, SettingsError
from penstock_adapters.tls import server_context

_log = logging.getLogger("penstock.tls")

_Version: TypeAlias = list[tuple[int, int, int] | None]
"""Inode, time and size of each file. A file that is replaced has another inode, even within one tick of the clock."""


class ServerCertificate:
    """The certificate of these settings. Raises `SettingsError` if its files cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self._cert = settings.tls_cert or ""
        self._key = settings.tls_key
        self._version = self._current()
        self.context: ssl.SSLContext = server_context(self._cert, self._key)
        """The context for the next connection."""

    def reload(self) -> None:
        """Load the files again. If they cannot be used, the certificate stays as it is."""
        # spec: certificate-reload
        self._version = self._current()
        try:
            self.context = server_context(self._cert, self._key)
        except SettingsError as mistake:
            _log.warning("the certificate was not loaded again, and the old one stays in use: %s", mistake)
        else:
            _log.info("the certificate was loaded again from %s", self._cert)

    async def watch(self, every_s: float) -> None:
        """Load the files again when they have changed, until this is cancelled."""
        while True:
            await asyncio.sleep(every_s)
            if self._current() != self._version:
                self.reload()

    def _current(self) -> _Version:
        return [_version(self._cert), _version(self._key or self._cert)]


def certificate_of(settings: Settings) -> ServerCertificate | None:
    """The certificate of a server that serves HTTPS. Raises `SettingsError`."""
    return ServerCertificate(settings) if settings.tls_cert else None


def _version(file: str) -> tuple[int, int, int] | None:
    try:
        state = Path(file).stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size
