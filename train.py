"""``python train.py --model NAME`` is ``lightning-gans train --model NAME``; everything lives in ``lightning_gans.cli``."""

import sys

from lightning_gans.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
