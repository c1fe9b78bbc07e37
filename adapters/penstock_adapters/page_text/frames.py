"""The messages between the server and a process that reads pages: their size in four bytes, then MessagePack."""

from __future__ import annotations

import struct

import msgspec

from penstock.ports import PageContent

HEAD = struct.Struct(">I")


class Answer(msgspec.Struct):
    """The title and text of a page, or why there are none."""

    title: str = ""
    text: str = ""
    problem: str = ""


encode = msgspec.msgpack.Encoder().encode
decode_page = msgspec.msgpack.Decoder(PageContent).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode


def frame(message: PageContent | Answer) -> bytes:
    """A message with its size."""
    body = encode(message)
    return HEAD.pack(len(body)) + body
