"""Regular expressions that are compiled with their first use: an import compiles none, since a start needs few of them.

It knows `re` only. The expressions are written where they are used. The synthetic model, which needs all of its own at
once, has no lazy ones.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _LazyPattern:
    """Has the methods of the compiled expression as attributes, each from its first use on."""

    def __init__(self, expression: str | bytes, flags: int) -> None:
        self.pattern = expression
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        """Python calls it for what is no attribute yet."""
        method = getattr(re.compile(self.pattern, self._flags), name)
        setattr(self, name, method)
        return method


def lazy_pattern(expression: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """The pattern of an expression. It is as good as one of `re.compile`, but not an argument for functions of `re`."""
    return cast("re.Pattern[AnyStr]", _LazyPattern(expression, flags))
