"""The runtime as `python -m penstock_adapters.aws_lambda`."""

from __future__ import annotations

import sys

from .runtime import main

if __name__ == "__main__":
    sys.exit(main())
