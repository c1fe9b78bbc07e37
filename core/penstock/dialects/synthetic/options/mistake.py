"""The error of a text that the grammar does not allow, with its position."""

from __future__ import annotations


class Mistake(ValueError):
    """What is wrong with a text, as a sentence, and the offset of the character at which the mistake begins."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
