"""What `python -m penstock_adapters.cli` runs."""

import sys

from penstock_adapters.cli import main

if __name__ == "__main__":
    sys.exit(main())
