"""The seconds of a run that may be cut and go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

__all__ = ["Clock"]


class Clock(pl.Callback):
    """Seconds of a run, those before a cut included: of CPU time, or of another clock."""

    def __init__(self, now: Callable[[], float] = time.process_time) -> None:
        self.now = now
        self.before = 0.0
        self.started: float | None = None  # a checkpoint of the last iteration is resumed without a start

    @property
    def seconds(self) -> float:
        return self.before if self.started is None else self.before + self.now() - self.started

    def on_train_start(self, *_: Any) -> None:
        self.started = self.now()

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.before = state_dict["seconds"]
