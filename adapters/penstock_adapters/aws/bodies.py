"""Bodies of replies that are read as a whole, up to a bound."""

from __future__ import annotations

from penstock.ports import HttpReply


async def whole_body(reply: HttpReply, bytes_max: int) -> bytes:
    """The body. Raises `ValueError` where it is longer than `bytes_max`, and `TransportError` where it is cut."""
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in reply:
            pieces.append(piece)
            size += len(piece)
            if size > bytes_max:
                raise ValueError(f"the reply of AWS is longer than {bytes_max} bytes")
    finally:
        await reply.aclose()
    return b"".join(pieces)
