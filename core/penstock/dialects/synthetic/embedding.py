"""Embeddings: a vector of length one for each text, which depends on the text alone.

It knows SHAKE: the numbers are its output. Texts that are alike have no vectors that are alike.
"""

from __future__ import annotations

import math
import struct
from hashlib import shake_128

DIMENSIONS = 1_024
"""The numbers of a vector where the client does not ask for another size."""
DIGITS = 7
"""Decimals of each number, as many as a number of four bytes has."""


def unit_vector(text: str, dimensions: int) -> list[float]:
    """The vector of a text."""
    drawn = shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * dimensions)
    numbers = struct.unpack(f"<{dimensions}h", drawn)
    length = math.hypot(*numbers) or 1.0
    return [round(number / length, DIGITS) for number in numbers]
