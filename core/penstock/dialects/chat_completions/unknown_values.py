"""The log of what an upstream sends that a Response cannot contain, or is not known: each value once."""

from __future__ import annotations

import logging

_log = logging.getLogger("penstock.chat_completions")

_VALUES_MAX = 100
"""How many values of an upstream are remembered as logged; later ones are not logged."""
_VALUE_CHARS_MAX = 100


class UnknownValues:
    """The values of one upstream that have no counterpart in a Response. Each is logged once."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def log(self, kind: str, value: str, what: str) -> None:
        """Log a value the first time that it comes."""
        noted = (kind, value[:_VALUE_CHARS_MAX])
        if noted not in self._logged and len(self._logged) < _VALUES_MAX:
            self._logged.add(noted)
            _log.warning("the upstream's %s %r %s", kind, noted[1], what)
