"""argparse with this project's errors, for the commands that take a checkpoint."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from lightning_gans.cli.errors import UsageError, did_you_mean

__all__ = ["TRUNCATION", "CommandParser", "above_zero", "positive", "seed_number"]

TRUNCATION = "factor on the latents, BigGAN's threshold for them; 1: none (default)"
NEGATIVE = re.compile(r"-[\d.]")


class CommandParser(argparse.ArgumentParser):
    """argparse with this project's errors: one line, the nearest option."""

    def parse_args(self, args: Sequence[str], namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse, but what begins with a negative number is the option's before it: argparse takes -1,3 for an option."""
        joined: list[str] = []
        for argument in args:
            if joined and joined[-1] in self._option_string_actions and NEGATIVE.match(argument):
                joined[-1] += f"={argument}"
            else:
                joined.append(argument)
        return super().parse_args(joined, namespace)

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


def seed_number(text: str) -> int:
    """A whole number from 0 to 2**32 - 1, as NumPy and scikit-learn take it."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text}; allowed: a whole number from 0 to {2**32 - 1}")
    return int(text)


def above_zero(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}; allowed: a number above 0")
    return value
