"""The command line as `python -m penstock`, from the installed package of adapters.

It knows the name of the command only, and imports no adapter by name.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

_COMMAND = "penstock"


def main() -> int:
    """Run the command `penstock` of the installed package."""
    [command] = entry_points(group="console_scripts", name=_COMMAND)
    code: int = command.load()()
    return code


if __name__ == "__main__":
    sys.exit(main())
