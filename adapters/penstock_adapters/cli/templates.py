"""The check of a folder of prompt templates, by `penstock prompts check`.

It knows what to print; the folder and the engine find what is wrong with a template.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from penstock.engine.context.prompts import placeholders, read_template
from penstock.limits import Limits
from penstock.ports import PromptBroken
from penstock.settings import SettingsError
from penstock_adapters.prompts import PromptFolder


def check(path: str, limits: Limits) -> int:
    """Read every template: print the valid ones with their variables, and the invalid ones on stderr."""
    folder = PromptFolder(path)
    is_right = True
    for prompt_id, version in _all(folder, path):
        try:
            names = placeholders(read_template(folder.template_now(prompt_id, version), limits))
        except PromptBroken as broken:
            is_right = False
            sys.stderr.write(f"{broken}\n")
        else:
            sys.stdout.write(f"{prompt_id} {version}: {', '.join(sorted(names)) or 'no variables'}\n")
    return 0 if is_right else 2


def _all(folder: PromptFolder, path: str) -> Iterator[tuple[str, str]]:
    try:
        for prompt_id in folder.prompt_ids():
            for version in sorted(folder.versions_now(prompt_id)):
                yield prompt_id, version
    except OSError as error:
        raise SettingsError("prompts", f"cannot read {path}: {error.strerror}") from None
