"""One bar for the whole run, however many epochs it has."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, TextIO, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ProgressBar
from torch import Tensor
from tqdm import tqdm

if TYPE_CHECKING:
    from lightning_gans.core.adversarial import AdversarialModule

__all__ = ["RunProgress"]

ITERATIONS = 20  # between two refreshes at least: reading the losses waits for the device ...
SLOW = 5.0  # ... unless so many seconds have passed, when a wait does not matter
TERMINAL_SECONDS = 0.2
FILE_SECONDS = 10.0  # a log file keeps every line
PLAYERS = {"G": "generator/", "D": "discriminator/"}


class _Lines:
    """A stream for tqdm where a refresh is a line: a file has no cursor to move back."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        if text.strip():
            self.stream.write(text.strip() + "\n")

    def flush(self) -> None:
        self.stream.flush()


class RunProgress(ProgressBar):
    """Iterations done of those asked for, both players' losses, images a second and the time that is left, on stderr.

    Refreshed at most every 20 iterations and 0.2 seconds on a terminal; elsewhere a line every 10 seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._bar: tqdm[Any] | None = None
        self._shown_at = 0.0  # time.monotonic() of the last refresh
        self._shown_images = 0
        self._rate = ""

    def disable(self) -> None:
        """Show nothing from now on."""
        self._enabled = False
        self._close()

    def enable(self) -> None:
        """Show the bar of the next run."""
        self._enabled = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print a line above the bar, on stderr."""
        if self._enabled:
            tqdm.write(kwargs.get("sep", " ").join(map(str, args)), file=sys.stderr, end=kwargs.get("end", "\n"))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar where the run stands: a resumed one does not begin at zero."""
        self._close()
        if not self._enabled:
            return
        module = cast("AdversarialModule", pl_module)
        total = _total(trainer)
        done = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}" if total else "{n_fmt} [{elapsed}"
        self._bar = tqdm(
            total=total,
            initial=module.iterations,
            desc="training",
            bar_format="{desc}: " + done + "{postfix}]",
            file=sys.stderr if sys.stderr.isatty() else _Lines(sys.stderr),
            leave=sys.stderr.isatty(),  # elsewhere the last line is there already
            dynamic_ncols=sys.stderr.isatty(),
            mininterval=0,  # each call of update is a refresh; when to call is decided here
            miniters=1,
        )
        self._shown_at = time.monotonic()
        self._shown_images = module.images_seen

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Refresh, if enough iterations and time have passed."""
        if self._bar is None:
            return
        module = cast("AdversarialModule", pl_module)
        seconds = time.monotonic() - self._shown_at
        due = TERMINAL_SECONDS if sys.stderr.isatty() else FILE_SECONDS
        if seconds >= due and (module.iterations - self._bar.n >= ITERATIONS or seconds >= SLOW):
            self._refresh(module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show where the run ended."""
        if self._bar is not None:
            self._refresh(cast("AdversarialModule", pl_module))
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave the cursor on a line of its own."""
        self._close()

    def _refresh(self, module: AdversarialModule) -> None:
        bar = cast("tqdm[Any]", self._bar)
        now = time.monotonic()
        if module.images_seen > self._shown_images:
            self._rate = f"{(module.images_seen - self._shown_images) / max(now - self._shown_at, 1e-9):.0f} images/s"
        self._shown_at, self._shown_images = now, module.images_seen
        bar.set_postfix_str(", ".join(filter(None, [*_losses(module.terms), self._rate])), refresh=False)
        bar.update(module.iterations - bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _total(trainer: pl.Trainer) -> int | None:
    """Iterations of the whole run, None where the Trainer does not know."""
    known = [trainer.max_steps] if trainer.max_steps > 0 else []
    epochs, batches = trainer.max_epochs, trainer.num_training_batches
    if epochs is not None and epochs > 0 and batches != float("inf"):
        known.append(epochs * int(batches))
    return min(known, default=None)


def _losses(terms: dict[str, Tensor]) -> list[str]:
    """ "G 0.693", "D 1.39": each player's terms added up; one wait for the device."""
    losses = {key: term.float() for key, term in terms.items() if not key.endswith("/grad_norm")}
    sums = {
        name: torch.stack([loss for key, loss in losses.items() if key.startswith(prefix)]).sum()
        for name, prefix in PLAYERS.items()
        if any(key.startswith(prefix) for key in losses)
    }
    if not sums:
        return []
    return [f"{name} {value:.3g}" for name, value in zip(sums, torch.stack(list(sums.values())).tolist(), strict=True)]
