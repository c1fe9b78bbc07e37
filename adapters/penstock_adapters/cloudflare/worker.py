"""The Worker as an ASGI application: each request is answered by a service of its own.

In a Worker, promises, streams and timers belong to the request that created them, and end with it. A service that
several requests use would make one of them wait for a future that another one should set. So nothing is shared but the
settings and the stores, which have no such state. Making a service takes less than a millisecond.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from penstock.assembly import open_store
from penstock.drivers import OpenStore
from penstock.engine.running.timer_wheel import use_own_wheels
from penstock.http import error_reply
from penstock.ports import Connect
from penstock.settings import Settings, SettingsError
from penstock_adapters.asgi import Receive, Scope, Send, send_reply
from penstock_adapters.drivers import create_asgi_app

from .settings import UNUSABLE, configuration_error, worker_settings

_log = logging.getLogger("penstock.cloudflare")

_SWEPT_MAX = 500
"""How many rows one call of a cron trigger removes at most: a Worker's time is limited."""


class Worker:
    """Answers requests by the settings in some variables. These are read at the first request.

    `connect` makes transports to upstreams, and `stores` has the stores by the scheme of their URL.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        connect: Connect,
        stores: Mapping[str, OpenStore],
    ) -> None:
        self._variables = variables
        self._connect = connect
        self._stores = UNUSABLE | dict(stores)
        self._settings: Settings | None = None

    @property
    def body_bytes_max(self) -> int:
        """How long the body of a request may be. 0 while the settings are wrong, since nothing is read then."""
        try:
            return self._read_settings().limits.body_bytes_max
        except SettingsError:
            return 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. There is nothing to start or to end, so a lifespan is not supported."""
        if scope["type"] != "http":
            return
        try:
            settings = self._read_settings()
            app = create_asgi_app(settings, location="function", connect=self._connect, stores=self._stores)
        except SettingsError as error:
            _log.error("the settings are wrong: %s", error)
            await send_reply(error_reply(configuration_error(error)), send)
        else:
            use_own_wheels()
            await app(scope, receive, send)

    async def sweep(self) -> None:
        """Remove expired rows of the store, a limited number of them. Raises `SettingsError`, and `ApiError`."""
        store = open_store(self._read_settings().store or "none://", self._stores)
        if store is not None:
            await store.migrate()
            removed = await store.sweep(now=await store.time_s(), limit=_SWEPT_MAX)
            _log.info("removed %d expired responses, conversations and marks", removed)

    def _read_settings(self) -> Settings:
        if self._settings is None:
            self._settings = worker_settings(self._variables)
        return self._settings
