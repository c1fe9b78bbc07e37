"""The type of a secret: a text that is never printed.

Only `reveal` returns its value. Printing and formatting give `<redacted>`, and encoding it as JSON fails.
"""

from __future__ import annotations

REDACTED = "<redacted>"


class Secret:
    """A key or token. `reveal()` is the only access to its text, so that all uses can be found."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text, for a header that is sent or for a comparison."""
        return self._text

    def __repr__(self) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret cannot be pickled")
