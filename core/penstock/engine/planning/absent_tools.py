"""Hosted tools that this server does not run because a setting is missing: which setting turns each of them on."""

from __future__ import annotations

import logging

_SETTINGS = {
    "web_search": "PENSTOCK_SEARCH",
    "web_search_2025_08_26": "PENSTOCK_SEARCH",
    "web_search_preview": "PENSTOCK_SEARCH",
    "web_search_preview_2025_03_11": "PENSTOCK_SEARCH",
    "mcp": "PENSTOCK_MCP",
}
"""The variable of the setting, by the type of the tool. Tools without an entry cannot be turned on."""

_log = logging.getLogger("penstock.tools")
_logged: set[str] = set()
"""The settings that a line of the log has named."""


def hint(tool_type: str) -> str:
    """The sentence that names the setting, for an error. Empty where there is none."""
    variable = _SETTINGS.get(tool_type)
    return f" The setting {variable} turns it on." if variable else ""


def log_once(tool_type: str) -> None:
    """Log that a tool was ignored, and the setting, once for each setting."""
    variable = _SETTINGS.get(tool_type)
    if variable and variable not in _logged:
        _logged.add(variable)
        _log.warning("a request has the tool %s, which is ignored: the setting %s turns it on", tool_type, variable)
