"""argparse with this project's errors, for the commands that take a checkpoint."""

from __future__ import annotations

import argparse
from typing import NoReturn

from lightning_gans.cli.errors import UsageError, did_you_mean

__all__ = ["CommandParser", "positive"]


class CommandParser(argparse.ArgumentParser):
    """argparse with this project's errors: one line, the nearest option."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        flags = message.removeprefix("unrecognized arguments: ").split()
        if message.startswith("unrecognized") and flags[0].startswith("-"):
            options = sorted(flag for flag in self._option_string_actions if flag.startswith("--"))
            name = flags[0].partition("=")[0]
            message = f"unknown option {name}.{did_you_mean(name, options)} Choose from: {', '.join(options)}"
        raise UsageError(message)


def positive(text: str) -> int:
    """A whole number from 1 up, for `add_argument(type=...)`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}; allowed: a whole number from 1 up")
    return int(text)
