"""What becomes of parameters that nobody here knows: ignored and told, rejected, or forwarded to the upstream."""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.errors import invalid


class Extras(msgspec.Struct):
    """The unknown parameters by their fate."""

    forwarded: dict[str, msgspec.Raw]
    ignored: list[str]


def settle_unknown(unknown: dict[str, msgspec.Raw], policy: Literal["ignore", "reject", "forward"]) -> Extras:
    """Apply the policy. Raises `ApiError` 400 for `reject`."""
    names = sorted(unknown)
    if policy == "forward":
        return Extras(forwarded=unknown, ignored=[])
    if policy == "reject" and names:
        raise invalid(f"Unknown parameter: '{names[0]}'.", names[0], "unknown_parameter")
    return Extras(forwarded={}, ignored=names)
