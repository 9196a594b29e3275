"""Schedules: pure functions from the number of finished iterations to a factor (or, for a ramp, a value).

A pure function needs no state of its own, so a resumed run goes on exactly.
"""

from __future__ import annotations

import math

__all__ = ["FLOOR", "SCHEDULES", "exponential", "factor", "ramp"]

SCHEDULES = ("constant", "linear", "constant_linear", "cosine", "exponential", "step")
FLOOR = 0.01  # where the `exponential` schedule ends, and stays


def factor(schedule: str, iteration: int, *, start: int, end: int) -> float:
    """The factor on the learning rate after `iteration` finished iterations.

    Args:
        schedule: constant: 1. linear: from 1 at iteration 0 to 0 at `end`. constant_linear: 1 until `start`, then a line
            to 0 at `end`. cosine: 1 until `start`, then half a cosine to 0 at `end`. exponential: 1 until `start`, then
            a fixed ratio an iteration down to 0.01 at `end`, where it stays. step: 1 until `start`, then 0.1.
        iteration: finished iterations.
        start: iteration at which the decay begins.
        end: iteration at which the decay ends.

    Raises:
        ValueError: an unknown schedule, or a decay that ends before it starts.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"lr_schedule '{schedule}'; allowed: {', '.join(SCHEDULES)}")
    if schedule == "constant":
        return 1.0
    if schedule == "step":
        return 1.0 if iteration < start else 0.1
    if schedule == "linear":
        start = 0
    if end <= start:
        raise ValueError(
            f"lr_schedule '{schedule}' decays from iteration {start} to {end}; allowed: an end after the start"
        )
    progress = min(max((iteration - start) / (end - start), 0.0), 1.0)
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    if schedule == "exponential":
        return float(FLOOR**progress)
    return 1.0 - progress


def exponential(iteration: int, *, rate: float, floor: float) -> float:
    """max(floor, rate^-iteration): division by `rate` after each iteration, never below `floor` (arXiv:1406.2661, code)."""
    return max(floor, math.exp(-iteration * math.log(rate)))


def ramp(iteration: int, *, first: float, last: float, iterations: int) -> float:
    """A line from `first` at iteration 0 to `last` at `iterations`, constant afterwards (momentum of arXiv:1406.2661)."""
    return first + (last - first) * min(iteration / iterations, 1.0)
