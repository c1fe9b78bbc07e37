"""What users of other servers suffered, as requirements of this one; and the mark by which a test shows one."""

from __future__ import annotations

import pytest

shows = pytest.mark.shows
"""`@shows("pairs", …)`: the test would fail if the server did not keep these requirements."""
