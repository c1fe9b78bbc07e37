"""Thoughts that stand where the text of a message does, with Gemini's mark beside them.

They stand between tags as well. The second tag comes with the text behind the thought.
"""

from __future__ import annotations

import msgspec

from penstock.wire import UNSET, UnsetType

from . import wire

OPEN = "<thought>"
CLOSE = "</thought>"


class _Google(msgspec.Struct):
    thought: bool = False


class _ExtraContent(msgspec.Struct):
    google: _Google


class _Extras(msgspec.Struct):
    extra_content: _ExtraContent


_read = msgspec.json.Decoder(_Extras).decode


def take_marked(message: wire.ReadMessage, *, is_whole: bool) -> bool:
    """Move the thought out of the text of a marked message. Returns whether there was a mark.

    A whole message without the second tag is an answer all the same, since nothing comes behind it.
    The mark is not returned to the upstream: it would make the answer behind the thought one, too.
    """
    # spec: marked-thoughts
    if message.extras is UNSET or not isinstance(message.content, str) or not _is_marked(message.extras):
        return False
    thought, close, answer = message.content.removeprefix(OPEN).partition(CLOSE)
    if close or not is_whole:
        message.reasoning_content, message.content = thought, answer
    message.extras = _without_mark(message.extras)
    return True


def _is_marked(extras: msgspec.Raw) -> bool:
    try:
        return _read(extras).extra_content.google.thought
    except msgspec.DecodeError:
        return False


def _without_mark(extras: msgspec.Raw) -> msgspec.Raw | UnsetType:
    fields = msgspec.json.decode(extras)
    content = fields["extra_content"]
    del content["google"]["thought"]
    if not content["google"]:
        del content["google"]
    if not content:
        del fields["extra_content"]
    return msgspec.Raw(msgspec.json.encode(fields)) if fields else UNSET
