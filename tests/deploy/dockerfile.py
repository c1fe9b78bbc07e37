"""The instructions of the Dockerfile, and the variables that it sets."""

from __future__ import annotations

import re
import shlex

from deploy.files import DEPLOY

INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in re.sub(r" *\\\n *", " ", (DEPLOY / "docker/Dockerfile").read_text(encoding="utf-8")).splitlines()
    if line and not line.startswith("#")
]


def of(instruction: str) -> list[str]:
    return [value for name, value in INSTRUCTIONS if name == instruction]


def variables_of_image() -> dict[str, str]:
    return dict(word.split("=", 1) for line in of("ENV") for word in shlex.split(line))
