"""Errors as the command line shows them: one line each, and the exit code that goes with it."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable

__all__ = ["UsageError", "did_you_mean", "exit_code", "one_line", "say"]


class UsageError(Exception):
    """The command line itself is wrong (exit code 2): an unknown name or option, a value that does not parse."""


def exit_code(error: BaseException) -> int:
    """2 for a wrong command line, 1 for everything else."""
    return 2 if isinstance(error, UsageError) else 1


def one_line(error: BaseException) -> str:
    """An exception's message with all white space folded, so that it is one line whatever raised it."""
    if type(error).__name__ == "SIGTERMException":
        return "stopped by SIGTERM"
    message = " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())
    return message or type(error).__name__


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`` Did you mean X?`` with the nearest known name, or nothing when none is near."""
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""


def say(line: str) -> None:
    """One line to stderr (stdout is for results); processes beside the first say which they are."""
    rank = os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))
    sys.stderr.write(line + ("" if rank == "0" else f" (rank {rank})") + "\n")
    sys.stderr.flush()
