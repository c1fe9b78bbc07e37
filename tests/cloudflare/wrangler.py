"""The configuration of the Worker in deploy/cloudflare."""

from __future__ import annotations

import json
import re
from typing import Any

from cloudflare.host import ROOT

FOLDER = ROOT / "deploy" / "cloudflare"
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*')


def configuration() -> dict[str, Any]:
    """wrangler.jsonc, without its comments."""
    text = (FOLDER / "wrangler.jsonc").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(_COMMENT.sub(lambda match: match[1] or "", text))
    return read
