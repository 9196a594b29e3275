"""``python -m lightning_gans COMMAND ...``: the same as ``lightning-gans COMMAND ...``, where no script is installed."""

from __future__ import annotations

import sys

from lightning_gans.cli import main

if __name__ == "__main__":
    sys.exit(main())
