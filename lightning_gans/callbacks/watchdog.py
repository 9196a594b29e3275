"""Notices what a person sees only after hours: numbers that are no longer finite, and the two ways a GAN stalls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from lightning_gans.batch import IMAGE_KEYS, normalize_batch
from lightning_gans.core.finite import Diverged, nonfinite, nonfinite_terms

if TYPE_CHECKING:
    from lightning_gans.core.latent import LatentModule

__all__ = ["Watchdog", "mean_distance"]

IMAGES = 64  # samples, and real images, whose distances are averaged
SAMPLE_EVERY = 5  # checks between two looks at samples, which have to be generated
IN_A_ROW = 3  # findings before a warning: one batch proves nothing
LOW_DIVERSITY = 0.1  # of the data's mean distance
HIGH_ACCURACY = 0.99
SMOOTHING = 0.5  # weight of the newest check in the critic's accuracy


def mean_distance(images: Tensor) -> float:
    """Mean distance between two different images: root mean square over pixels, so that sizes compare.

    Args:
        images: float (N, C, H, W), N at least 2.
    """
    flat = images.flatten(1).float()  # (N, C * H * W)
    return float(torch.pdist(flat).mean() / flat.shape[1] ** 0.5)


class Watchdog(Callback):
    """Stops a run that diverged; warns, once each, of samples that are all alike and of a critic that always wins.

    Each check looks at the losses and weights, and at the critic's accuracy; each fifth one also at 64 samples. It
    draws nothing from the global random state: training is the same with and without it.

    Args:
        every: iterations between two checks.

    Raises:
        ValueError: ``every`` is below 1.
    """

    def __init__(self, every: int = 100) -> None:
        if every < 1:
            raise ValueError(f"every {every}; allowed: at least 1")
        self.every = every
        self._reals: list[Tensor] = []  # until there are enough of them
        self._real_distance: float | None = None
        self._checked = 0  # iteration of the last check
        self._accuracy: float | None = None
        self._findings = {"samples": 0, "critic": 0}  # checks in a row

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget an earlier run."""
        self._reals, self._real_distance, self._accuracy = [], None, None
        self._findings = {"samples": 0, "critic": 0}
        self._checked = cast("LatentModule", pl_module).iterations

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check, if the iteration is due.

        Raises:
            Diverged: a loss or a weight is not finite.
        """
        module = cast("LatentModule", pl_module)
        if trainer.is_global_zero and self._real_distance is None:
            self._keep_reals(batch)
        if module.iterations % self.every or module.iterations == self._checked:  # a skipped batch is no iteration
            return
        self._checked = module.iterations
        self._check_finite(trainer, module)
        if trainer.is_global_zero:
            self._check_critic(module)
            if module.iterations % (self.every * SAMPLE_EVERY) == 0:
                self._check_samples(module)

    def _check_finite(self, trainer: pl.Trainer, module: LatentModule) -> None:
        bad = nonfinite_terms(module.terms) + nonfinite(module)
        # Losses differ between processes: all stop for the one that diverged.
        if trainer.strategy.reduce_boolean_decision(bool(bad), all=False):
            raise Diverged.at(module.iterations, bad or ["a loss in another process"])

    def _keep_reals(self, batch: Any) -> None:
        images = next(value for key, value in normalize_batch(batch, check=False).items() if key in IMAGE_KEYS)
        self._reals.append(images[:IMAGES].cpu())
        reals = torch.cat(self._reals)[:IMAGES]
        if len(reals) == IMAGES:
            self._real_distance = mean_distance(reals)
            self._reals = []

    def _check_critic(self, module: LatentModule) -> None:
        real, fake = (module.records.get(f"discriminator/{kind}_logits") for kind in ("real", "fake"))
        threshold = module.decision_threshold
        if real is None or fake is None or threshold is None:
            return
        right = torch.stack([(real > threshold).float().mean(), (fake < threshold).float().mean()]).mean().item()
        self._accuracy = right if self._accuracy is None else self._accuracy + SMOOTHING * (right - self._accuracy)
        if self._found("critic", self._accuracy > HIGH_ACCURACY):
            rank_zero_warn(
                f"the discriminator is right in {self._accuracy:.1%} of cases (iteration {module.iterations}): "
                "the generator may learn nothing more; try a lower --model.discriminator_lr or fewer --model.d_steps"
            )

    def _check_samples(self, module: LatentModule) -> None:
        if self._real_distance is None or not hasattr(module, "generate"):
            return
        distance = mean_distance(module.generate(IMAGES, seed=0))
        if self._found("samples", distance < LOW_DIVERSITY * self._real_distance):
            rank_zero_warn(
                f"the samples are nearly all alike (iteration {module.iterations}): their mean distance is "
                f"{distance:.3g}, the data's {self._real_distance:.3g}; try another --seed_everything, "
                "a lower --model.lr or a larger --data.batch_size"
            )

    def _found(self, kind: str, finding: bool) -> bool:
        """Count a finding; true when it is the third in a row, for the first time in this run."""
        if self._findings[kind] < IN_A_ROW:  # stays there once warned
            self._findings[kind] = self._findings[kind] + 1 if finding else 0
            return self._findings[kind] == IN_A_ROW
        return False
