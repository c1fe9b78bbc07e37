"""Domains: which hosts a list of domains means, and which results a tool's filters leave."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

import msgspec

from penstock.patterns import lazy_pattern

_URL = lazy_pattern(r"https?://[^\s\x00-\x1f\x7f]{1,8000}", re.IGNORECASE)
"""A URL that a result may have."""


class Domains(msgspec.Struct, kw_only=True, frozen=True):
    """The domains that a tool may use. Each stands for its subdomains too."""

    allowed: tuple[str, ...] = ()
    """Empty for all."""
    blocked: tuple[str, ...] = ()

    def admit(self, host: str) -> bool:
        """Whether pages of a host may be used."""
        if self.allowed and not is_within(host, self.allowed):
            return False
        return not is_within(host, self.blocked)

    def admit_url(self, url: str) -> bool:
        """Whether a result with this URL may be used."""
        if not _URL.fullmatch(url):
            return False
        try:
            host = urlsplit(url).hostname
        except ValueError:
            return False
        return host is not None and self.admit(host)


def is_within(host: str, domains: Collection[str]) -> bool:
    """Whether a host is one of the domains, or a subdomain of one."""
    name = f".{host.lower().removesuffix('.')}"
    return any(name.endswith(f".{domain}") for domain in domains)


def with_site_terms(text: str, allowed: Iterable[str], blocked: Iterable[str], chars_max: int) -> str:
    """A query with `site:` terms, for an engine without filters. Without them where they make it too long."""
    sites = " OR ".join(f"site:{domain}" for domain in allowed)
    terms = [text, sites and f"({sites})", *(f"-site:{domain}" for domain in blocked)]
    query = " ".join(filter(None, terms))
    return query if len(query) <= chars_max else text
