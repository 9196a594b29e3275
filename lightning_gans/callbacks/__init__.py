"""What a run shows and leaves: its bar, its pictures, its scores, its checkpoint, and a look at its health."""

from __future__ import annotations

from lightning_gans.callbacks.checkpointing import RunCheckpoint
from lightning_gans.callbacks.evaluation import Evaluate
from lightning_gans.callbacks.progress import RunProgress
from lightning_gans.callbacks.samples import SampleGrid
from lightning_gans.callbacks.watchdog import Watchdog

__all__ = ["Evaluate", "RunCheckpoint", "RunProgress", "SampleGrid", "Watchdog"]
