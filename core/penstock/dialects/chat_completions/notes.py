"""The log of what an upstream sends that a Response cannot contain, or is not known: each word once."""

from __future__ import annotations

import logging

_log = logging.getLogger("penstock.chat_completions")

_WORDS_MAX = 100
"""How many words of an upstream are remembered as logged; later ones are not logged."""
_WORD_CHARS_MAX = 100


class UnknownWords:
    """Words of one upstream for which nothing here stands."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def log(self, kind: str, word: str, what: str) -> None:
        """Log a word the first time that it comes."""
        noted = (kind, word[:_WORD_CHARS_MAX])
        if noted not in self._logged and len(self._logged) < _WORDS_MAX:
            self._logged.add(noted)
            _log.warning("the upstream's %s %r %s", kind, noted[1], what)
