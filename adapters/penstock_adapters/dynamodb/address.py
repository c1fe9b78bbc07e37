"""The address of a table: `dynamodb://TABLE?region=eu-west-1&endpoint=http://127.0.0.1:8000`.

Without `region` and `endpoint` they come from the variables that every SDK of AWS reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import msgspec

from penstock_adapters.aws import endpoint, region

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_OPTIONS = ("region", "endpoint")


class TableAddress(msgspec.Struct, frozen=True):
    """A table, its region, and the URL of its service."""

    table: str
    region: str
    endpoint: str


def table_address(url: str, environment: Mapping[str, str]) -> TableAddress:
    """The address in a URL. Raises `ValueError` for one that is no table's."""
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.username or not _TABLE.fullmatch(parts.netloc):
        raise ValueError("dynamodb:// is followed by the name of a table: dynamodb://penstock?region=eu-west-1")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = ", ".join(sorted(set(options) - set(_OPTIONS)))
    if unknown:
        raise ValueError(f"dynamodb:// has no option {unknown}; there are region and endpoint")
    name = region(environment, options.get("region"))
    return TableAddress(parts.netloc, name, endpoint("dynamodb", name, environment, options.get("endpoint")))
