"""Regions and endpoints, by the variables that every SDK of AWS reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+|local(host)?")
_CHINA = "cn-"


def region(environment: Mapping[str, str], given: str | None = None) -> str:
    """The region: the given one, or that of `AWS_REGION` or `AWS_DEFAULT_REGION`. Raises `ValueError`."""
    name = given or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not name:
        raise ValueError("there is no region: add ?region=eu-west-1, or set AWS_REGION")
    if not _REGION.fullmatch(name):
        raise ValueError(f"{name!r} is not a region of AWS, such as eu-west-1")
    return name


def endpoint(service: str, region_name: str, environment: Mapping[str, str], given: str | None = None) -> str:
    """The base URL of a service. Raises `ValueError` for one that is not HTTP.

    It is the given one, or that of `AWS_ENDPOINT_URL_<SERVICE>` or `AWS_ENDPOINT_URL`, or else AWS' own.
    """
    url = given or environment.get(f"AWS_ENDPOINT_URL_{service.upper()}") or environment.get("AWS_ENDPOINT_URL")
    if not url:
        suffix = ".cn" if region_name.startswith(_CHINA) else ""
        return f"https://{service}.{region_name}.amazonaws.com{suffix}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise ValueError("the endpoint is not a URL such as http://127.0.0.1:8000")
    return url.rstrip("/")
