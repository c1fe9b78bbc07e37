"""A Cloudflare Worker: Cloudflare's SDK in Pyodide, which calls the app with a lifespan for each request."""

from __future__ import annotations

from cloudflare import host as pyodide
from conformance.hosts.kit import KEY, REQUEST_S, Answer, Call, Host, ask_http


class Worker(Host):
    name = "Workers SDK, Pyodide"
    is_function = True
    sees_disconnects = False

    def start(self, upstream: str, **given: str) -> None:
        limit = {"PENSTOCK_LIMITS_REQUEST_S": str(REQUEST_S)}
        ours = {"PENSTOCK_API_KEYS": KEY, "PENSTOCK_UPSTREAM": upstream}
        self.worker = pyodide.Host(ours | limit | given)
        self.worker.__enter__()

    def stop(self) -> None:
        self.worker.__exit__(None, None, None)

    def ask(self, call: Call) -> Answer:
        return ask_http(self.worker.base.removeprefix("http://"), call)
