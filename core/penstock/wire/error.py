"""Errors on the wire: the body of a failed request, a response's `error`, and the `error` event.

It knows the JSON only. `penstock.errors` defines which failure has which type, code and status.
"""

from typing import ClassVar

import msgspec

from ._base import UNSET, Event, Fold, UnsetType, Wire, nothing


class ErrorDetail(Wire, kw_only=True):
    """An error. `param` is a path such as `input[3].content`."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(Wire, kw_only=True):
    """The JSON body of every reply with a status of 400 or more."""

    error: ErrorDetail


class ResponseError(Wire, kw_only=True):
    """The `error` of a failed Response. Only relayed Responses have the keys that may be absent."""

    code: str
    message: str
    param: str | None | UnsetType = UNSET
    type: str | None | UnsetType = UNSET
    misalignment: msgspec.Raw | UnsetType = UNSET


class Error(Event, kw_only=True, tag="error"):
    """An error of the stream. A terminal event follows."""

    fold: ClassVar[Fold] = nothing()

    code: str | None = None
    message: str
    param: str | None = None
