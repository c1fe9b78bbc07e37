"""The policies of a server, which its settings choose."""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.engine.hosted_tools.registry import HostedTools
from penstock.ports import BackgroundRunner


class Policies(msgspec.Struct, kw_only=True, frozen=True):
    """What happens to unknown parameters and unavailable tools, what is run in the background, and which tools are."""

    unknown_parameters: Literal["ignore", "reject", "forward"] = "ignore"
    absent_tools: Literal["ignore", "reject"] = "ignore"
    background: bool = True
    runner: BackgroundRunner | None = None
    """Where background responses are run, if not by the processes of this server."""
    tools: HostedTools = HostedTools()
    """The hosted tools. None by default."""
