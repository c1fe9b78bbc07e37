"""Masking: hides the keys that were sent to an upstream in its replies.

An upstream's error may repeat the request with its headers. This module knows the forms of a key in JSON, URLs and HTML
pages; `remote` decides which replies are masked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from penstock.errors import ApiError
from penstock.json_codec import unicode_escape
from penstock.ports import HttpReply
from penstock.secrets import Secret
from penstock.transcript.deltas import Delta, UpstreamFailed

_CHARS_MIN = 8
"""Shorter texts are not keys (`none`, `EMPTY`), and may occur anywhere."""
_GO = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e"}
"""Characters that Go's JSON encoder escapes."""
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
"""Characters that pages escape. The module `html` has every entity, for a millisecond of a start."""


class Mask:
    """Replaces secrets by asterisks, one for each byte, so that the length does not change."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._secrets = list(secrets)
        forms = {form for secret in self._secrets for form in _forms(secret.reveal())}
        self._forms = [form.encode() for form in sorted(forms, key=len, reverse=True)]

    def also(self, secrets: Iterable[Secret]) -> Mask:
        """A mask that hides these secrets too."""
        return Mask([*self._secrets, *secrets])

    def data(self, data: bytes) -> bytes:
        """The bytes without any of the secrets."""
        for form in self._forms:
            if form in data:
                data = data.replace(form, b"*" * len(form))
        return data

    def text(self, text: str) -> str:
        """The text without any of the secrets."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self.data(data)
        return text if masked is data else masked.decode("utf-8", "surrogatepass")

    def error(self, error: ApiError) -> None:
        """Mask the texts of an error."""
        error.message = self.text(error.message)
        error.args = (error.message,)
        error.code = error.code and self.text(error.code)
        error.param = error.param and self.text(error.param)

    def failures(self, deltas: Sequence[Delta]) -> list[Delta]:
        """The deltas, with the error of `UpstreamFailed` masked."""
        return [
            UpstreamFailed(
                replace(delta.error, code=self.text(delta.error.code), message=self.text(delta.error.message))
            )
            if isinstance(delta, UpstreamFailed)
            else delta
            for delta in deltas
        ]

    def reply(self, reply: HttpReply) -> HttpReply:
        """The reply, with its headers and its body masked as they are read."""
        return MaskedReply(reply, self) if self._forms else reply

    def unsure_from(self, data: bytes) -> int:
        """The index from which the end of the bytes may be the beginning of a secret; else their length."""
        first = len(data)
        for form in self._forms:
            start = data.find(form[:1], max(len(data) - len(form) + 1, 0))
            while 0 <= start < first:
                if form.startswith(data[start:]):
                    first = start
                start = data.find(form[:1], start + 1)
        return first


class MaskedReply:
    """A reply that is masked while it is read, including secrets that are split over two reads."""

    def __init__(self, reply: HttpReply, mask: Mask) -> None:
        self._reply = reply
        self._chunks = aiter(reply)
        self._mask = mask
        self._unsure = b""
        self.status = reply.status
        self.headers: Mapping[str, str] = _masked(reply.headers, mask)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes, without an end that may be the beginning of a secret; that comes with the next bytes."""
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            if not self._unsure:
                raise
            rest, self._unsure = self._unsure, b""
            return rest
        data = self._mask.data(self._unsure + chunk)
        sure = self._mask.unsure_from(data)
        self._unsure = data[sure:]
        return data[:sure]

    async def aclose(self) -> None:
        """Close the reply."""
        await self._reply.aclose()


def _masked(headers: Mapping[str, str], mask: Mask) -> Mapping[str, str]:
    masked = {name.lower(): mask.text(value) for name, value in headers.items()}
    return headers if list(masked.values()) == list(headers.values()) else masked


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may be written: each of its words (`Bearer sk-1` has two), plain and with various escapes."""
    for word in secret.split():
        if len(word) >= _CHARS_MIN:
            plain = msgspec.json.encode(word).decode()[1:-1]
            written = "".join(char if " " <= char <= "~" else unicode_escape(char) for char in plain)
            yield from (word, plain, written, written.replace("/", "\\/"))
            yield "".join(_GO.get(char, char) for char in written)
            yield "".join(char if char.isalnum() or char in "-_." else unicode_escape(char) for char in word)
            yield from (quote(word, safe=""), word.translate(_HTML))
