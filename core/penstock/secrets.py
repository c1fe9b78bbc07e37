"""The type of a secret: a text that will not be shown.

It knows one value and gives it only to who asks for it by name; printing and formatting show `<redacted>`, JSON fails.
"""

from __future__ import annotations

REDACTED = "<redacted>"


class Secret:
    """A key or token. `reveal()` is the only way to its text, so that each use can be found."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for a header that is sent or a comparison."""
        return self._text

    def __repr__(self) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not written down")
