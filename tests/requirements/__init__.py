"""What this server has to do, as data: requirements and behaviours; and the mark by which a test shows one."""

from __future__ import annotations

import pytest

shows = pytest.mark.shows
"""`@shows("pairs", …)`: the test would fail if the server did not do as these rows state."""
