"""What a benchmark was given wrong, told in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lightning_gans.cli.errors import UsageError, exit_code, one_line, say

__all__ = ["check_positive", "one_line_errors"]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """For names, files and options, before anything is trained: an error ends the benchmark with its message and no traceback.

    Raises:
        SystemExit: 2 for a wrong command line, 1 for a file or a value that cannot be used.
    """
    try:
        yield
    except (UsageError, ValueError, OSError) as error:
        say(f"error: {one_line(error)}")
        raise SystemExit(exit_code(error)) from error


def check_positive(**options: float) -> None:
    """Refuse what a benchmark cannot measure with.

    Raises:
        UsageError: a number that is not above 0.
    """
    for name, value in options.items():
        if not value > 0:
            raise UsageError(f"{name} {value:g}; allowed: above 0")
