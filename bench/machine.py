"""What a result was measured on: cores, processor and versions, never a host or a path."""

import os
import platform
import re
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = ("penstock", "uvicorn", "uvloop", "httptools", "starlette", "aiohttp", "msgspec", "orjson")
FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/]+/)+")  # of an absolute path; not of a relative one, nor a URL's


def public(text: str) -> str:
    """Return `text` with every absolute path cut to its last name."""
    return FOLDERS.sub("", text)


def today() -> str:
    """Return the date."""
    return datetime.now(tz=UTC).date().isoformat()


def machine() -> str:
    """Return what the machine is."""
    count = len(os.sched_getaffinity(0))
    return f"{count} cores, {_processor()}, {platform.system()} {platform.machine()}"


def versions() -> str:
    """Return the versions of Python and of the packages that matter."""
    found = [f"Python {'.'.join(map(str, sys.version_info[:3]))}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"
