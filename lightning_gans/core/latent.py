"""Models from noise to images: fakes in training (images from seeds afterwards are in ``sampling.py``)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.batch import Batch
from lightning_gans.core import turns
from lightning_gans.core.noise import Draw
from lightning_gans.core.sampling import SamplingModule

__all__ = ["Fakes", "LatentModule"]


class Fakes(NamedTuple):
    """What a turn's generator pass used and made."""

    latents: Tensor
    """(N, latent_dim)."""
    labels: Tensor | None
    """Classes (N,) int64, tags (N, T), or None."""
    images: Tensor
    """(N, C, H, W) in [-1, 1]."""


class LatentModule(SamplingModule):
    """A generator of images from latents: `generator(latents)` or, with classes or tags, `generator(latents, labels)`."""

    generator_batch_factor: int = 1
    """Fakes of the generator's turn for each real image of its part."""
    redraws_fakes: bool = False
    """The paper draws fresh fakes for the generator's turn; then they are not shared by default."""

    _shared: Fakes | None = None
    _shared_with: int | None = None
    """The turn of the generator that used the graph of the shared fakes: a second one needs a new draw."""

    def fakes(self, batch: Batch) -> Fakes:
        """Noise, labels and images of this turn: with a graph in the generator's turn, without one in the other's."""
        if self._shared is not None and self._moving == "discriminator":
            return self._shared._replace(images=self._shared.images.detach())
        if self._shared is not None and self._shared_with in (None, self._turn.number):
            self._shared_with = self._turn.number
            return self._shared
        with torch.set_grad_enabled(self._moving != "discriminator"):
            return self._draw_fakes(batch)

    def real_and_fake_logits(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The critic's opinion of the batch and of this turn's fakes, recorded; each passes by itself, so that batch norm
        sees the one or the other."""
        fakes = self.fakes(batch)
        real_logits = self.discriminate(batch["images"], self.real_labels(batch))
        fake_logits = self.discriminate(fakes.images, fakes.labels)
        self.record("real_logits", real_logits)
        self.record("fake_logits", fake_logits)
        return real_logits, fake_logits

    def fake_logits(self, batch: Batch) -> Tensor:
        """The critic's opinion of this turn's fakes, judged by the classes they were made of."""
        fakes = self.fakes(batch)
        return self.discriminate(fakes.images, fakes.labels)

    def real_labels(self, batch: Batch) -> Tensor | None:
        """What a conditional model is told of the real images: their classes (N,) or tags (N, T)."""
        return None if self.condition is None else batch[self.condition]

    def fake_labels(self, batch: Batch, copies: int) -> Tensor | None:
        """What the fakes are made of, `copies` for each real image one after the other: here the classes of the real images;
        tags are drawn."""
        if self.condition == "tags":
            return self.draw_tags(turns.rows(batch) * copies, self._rows_of_noise(copies))
        return batch["labels"].repeat_interleave(copies) if self.condition is not None else None

    def _rows_of_noise(self, copies: int) -> Draw:
        """Noise with a row for each real image, so that chunks and processes cut noise and labels alike."""

        def source(shape: tuple[int, ...], distribution: str) -> Tensor:
            return self.noise((shape[0] // copies, copies, *shape[1:]), distribution).flatten(0, 1)

        return source

    def noise_of_images(self, shape: tuple[int, ...], distribution: str = "normal") -> Tensor:
        """See `AdversarialModule`; in the generator's turn there may be several fakes for each real image."""
        return self._rows_of_noise(self._copies())(shape, distribution)

    def _copies(self) -> int:
        return self.generator_batch_factor if self._moving == "generator" else 1

    def _draw_fakes(self, batch: Batch) -> Fakes:
        copies = self._copies()
        latents = self.latents(turns.rows(batch) * copies, self._rows_of_noise(copies))
        labels = self.fake_labels(batch, copies)
        return Fakes(latents, labels, self.synthesize(self.fast(self.generator), latents, labels))

    def play(self, parts: list[Batch]) -> None:
        """The turns, on one draw of fakes where they are shared: one generator pass an iteration."""
        if self._shares_fakes():
            self._shared = self._draw_fakes(parts[-1])
        try:
            super().play(parts)
        finally:
            self._shared = self._shared_with = None

    def _shares_fakes(self) -> bool:
        possible = self.d_steps == self.accumulate == self.generator_batch_factor == self.discriminator_turns() == 1
        possible = possible and self.turn_order[0] == "discriminator"
        if self.share_fakes and not possible:
            raise ValueError(
                "share_fakes=True; allowed: only with one turn of each player on as many fakes as real images"
            )
        return possible and (not self.redraws_fakes if self.share_fakes is None else self.share_fakes)
