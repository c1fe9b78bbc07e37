"""Penstock within another project's Starlette app, under `/ai`, served by uvicorn as it comes.

Run as a program it is that server, configured as `penstock serve` is; `MountedServer` starts it.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress

from support.server import ROOT, PenstockServer

TESTS = str(ROOT / "tests")
MAIN = "from support.mounted import main; main()"


class MountedServer(PenstockServer):
    """The other server. It listens as the real one does."""

    command = (sys.executable, "-c", f"import sys; sys.path.insert(0, {TESTS!r}); {MAIN}")

    @property
    def url(self) -> str:
        return f"{self.base}/ai/v1"


def main() -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from penstock.settings import load
    from penstock_adapters.starlette import create_app

    flags = dict(zip((name.removeprefix("--") for name in sys.argv[1::2]), sys.argv[2::2], strict=True))
    app = Starlette(routes=[Mount("/ai", create_app(load(flags, os.environ)))])
    with socket.create_server(("127.0.0.1", 0)) as listener, suppress(KeyboardInterrupt):
        sys.stdout.write(f"listening on http://127.0.0.1:{listener.getsockname()[1]}\n")
        uvicorn.Server(uvicorn.Config(app, log_level="critical")).run([listener])
