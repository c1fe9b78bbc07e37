"""The entry point of `python -m penstock_adapters.cli`."""

import sys

from penstock_adapters.cli import main

if __name__ == "__main__":
    sys.exit(main())
