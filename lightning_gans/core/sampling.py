"""Images from seeds: what a trained generator draws, from weights that sampling never changes."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lightning_gans.core.conditions import ConditionalModule
from lightning_gans.core.modes import evaluating
from lightning_gans.core.noise import Draw, below, draw, stream
from lightning_gans.layers.norms import normalizers, standing_statistics
from lightning_gans.layers.tabulated_norm import at_truncation, has_tables

__all__ = ["TRUNCATIONS", "SamplingModule"]

TRUNCATIONS = ("factor", "threshold", "bounded_factor")
BOUND = 2.0  # of "bounded_factor"
SMALLEST = 1e-3  # threshold: below it, redrawing would not end


class SamplingModule(ConditionalModule):
    """A generator of images from latents: `generator(latents)` or, with classes or tags, `generator(latents, labels)`."""

    latent_dim: int
    latent_distribution: str = "normal"
    batch_norm: str = "standing"
    """Batch-norm statistics that sampling uses: "standing" (re-estimated) or "running"."""
    truncation_trick: str = "factor"
    """What a truncation of latents does: "factor", it multiplies them; "threshold" (BigGAN), numbers of N(0, 1) are drawn anew
    until they lie below it, 1 meaning none (2 is a threshold again); "bounded_factor" (BigGAN's modules on TF Hub), all are drawn
    below 2 and multiplied by it. Standing statistics are those of latents so truncated, but for "factor"."""
    standing_batches: int = 16
    """Passes that standing statistics are the mean of."""
    standing_batch_size: int = 64
    """Images of each such pass."""

    _sampler: tuple[object, nn.Module] | None = None

    def latents(self, n: int, source: Draw) -> Tensor:
        """`n` latents (n, latent_dim) from a source of random numbers: training's, or one image's own stream."""
        return source((n, self.latent_dim), self.latent_distribution)

    def synthesize(self, network: nn.Module, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] of a generator network."""
        images: Tensor = network(latents) if labels is None else network(latents, labels)
        return images

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images of the raw generator, as it stands (training or evaluation mode)."""
        return self.synthesize(self.generator, latents, labels)

    def sample_latents(self, indices: Iterable[int], seed: int, truncation: float = 1.0) -> Tensor:
        """Latents of images `indices` of the set named `seed`, (len(indices), latent_dim), on CPU: row i depends on
        (seed, indices[i]) only. `truncation` acts as `truncation_trick` says."""
        generator = torch.Generator()

        def source(shape: tuple[int, ...], distribution: str) -> Tensor:
            return draw(shape, distribution, generator)

        trick = self.truncation_trick
        drawn: Draw = source
        if trick == "threshold" and truncation != 1.0:
            drawn = below(truncation, source)
        elif trick == "bounded_factor":
            drawn = below(BOUND, source)
        rows = []
        for index in indices:
            generator.manual_seed(stream(seed, index))
            rows.append(self.latents(1, drawn))
        latents = torch.cat(rows)
        return latents if trick == "threshold" else latents * truncation

    def generate(
        self,
        n: int,
        *,
        seed: int | None = None,
        labels: Sequence[int] | Tensor | None = None,
        tags: str | Sequence[str] | None = None,
        truncation: float = 1.0,
        ema: bool = True,
        batch_size: int = 64,
        bn: str | None = None,
    ) -> Tensor:
        """Sample images in evaluation mode; touches neither the global random state nor the model.

        Args:
            n: number of images.
            seed: names the set of images; None takes a new one each time.
            labels: a class an image, cycled to `n`; None takes i % num_classes. For a model with tags rows of them, float
                (m, T), cycled; None draws them as in training.
            tags: names of tags, as a list or by comma: these are on and others off, but unnamed colours of hair and eyes are drawn.
            truncation: factor on the latents, or what `truncation_trick` says; below 1 trades variety for likelihood.
            ema: use the running average of the generator, if there is one.
            batch_size: images a pass; the result does not depend on it.
            bn: batch-norm statistics, "standing" (re-estimated) or "running"; default `self.batch_norm`.

        Returns:
            float32 (n, C, H, W) in [-1, 1] on CPU. Image i depends on (seed, i, labels[i]) only.

        Raises:
            ValueError: labels outside the classes, or for a model without classes; an unknown tag (names the nearest); n or
                truncation out of range.
        """
        batches = self.generate_batches(
            n, seed=seed, labels=labels, tags=tags, truncation=truncation, ema=ema, batch_size=batch_size, bn=bn
        )
        return torch.cat(list(batches)) if n else torch.empty(0, *self.image_shape)

    def generate_batches(
        self,
        n: int,
        *,
        seed: int | None = None,
        labels: Sequence[int] | Tensor | None = None,
        tags: str | Sequence[str] | None = None,
        truncation: float = 1.0,
        ema: bool = True,
        batch_size: int = 64,
        bn: str | None = None,
        indices: Sequence[int] | None = None,
    ) -> Iterator[Tensor]:
        """`generate`, a batch at a time: any number of images in the memory of one batch.

        `indices` names which of the n images to draw, such as a process's share, `range(rank, n, world)`.
        """
        self.check_sampling(n, batch_size, truncation)
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        told = self.conditions(n, seed, labels, tags)
        chosen = range(n) if indices is None else indices
        rows = (chosen[start : start + batch_size] for start in range(0, len(chosen), batch_size))
        return (
            self.render(
                self.sample_latents(row, seed, truncation),
                None if told is None else told[list(row)],
                ema=ema,
                bn=bn,
                truncation=truncation,
            )
            for row in rows
        )

    def check_sampling(self, n: int, batch_size: int, truncation: float) -> None:
        """Refuse numbers that nothing can be sampled by.

        Raises:
            ValueError: n, batch_size or truncation out of range.
        """
        if n < 0:
            raise ValueError(f"n={n}; allowed: 0 or more")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}; allowed: 1 or more")
        self._check_truncation(truncation)

    def pictures(self, n: int, *, seed: int, labels: Tensor | None = None) -> Tensor:
        """What a grid of samples shows: `generate`'s images; a model of pairs lays them side by side, (n, C, H, 2 W)."""
        return self.generate(n, seed=seed, labels=labels)

    def render(
        self,
        latents: Tensor,
        labels: Tensor | None = None,
        *,
        ema: bool = True,
        bn: str | None = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Images of given latents (N, latent_dim), in evaluation mode: float32 (N, C, H, W) in [-1, 1] on CPU.

        `truncation` is that of the latents; batch-norm statistics may depend on it.
        """
        with torch.no_grad(), self._sampling_network(ema, bn or self.batch_norm, truncation) as network:
            labels = None if labels is None else labels.to(self.device)
            images = self.synthesize(network, latents.to(self.device), labels)
            return images.float().clamp(-1.0, 1.0).cpu().contiguous()

    def _check_truncation(self, truncation: float) -> None:
        trick = self.truncation_trick  # each range is asked for, not its outside: what is no number lies in none
        if trick == "factor" and not 0.0 < truncation < math.inf:
            raise ValueError(f"truncation={truncation}; allowed: more than 0, 1 = none")
        if trick == "threshold" and not SMALLEST <= truncation < math.inf:
            raise ValueError(f"truncation={truncation}; allowed: {SMALLEST:g} or more, 1 = none")
        if trick == "bounded_factor" and not 0.0 < truncation <= 1.0:
            raise ValueError(f"truncation={truncation}; allowed: more than 0, up to 1")

    def conditions(
        self,
        n: int,
        seed: int,
        labels: Sequence[int] | Tensor | None = None,
        tags: str | Sequence[str] | None = None,
    ) -> Tensor | None:
        """What the images 0 .. n-1 of the set named `seed` are told, as `generate` takes it: int64 (n,), float (n, T), or None.

        Raises:
            ValueError: see `generate`.
        """
        if tags is not None:
            if labels is not None:
                raise ValueError("labels and tags; allowed: one of them")
            return self.named_tags(tags, range(n), seed)
        if labels is not None:
            return self.given_labels(n, labels)
        return self.drawn_labels(range(n), seed) if self.is_conditional else None

    @contextmanager
    def _sampling_network(self, ema: bool, bn: str, truncation: float = 1.0) -> Iterator[nn.Module]:
        """The generator to sample from, in evaluation mode; with standing statistics it is a copy, never the live one."""
        if bn not in ("standing", "running"):
            raise ValueError(f"bn '{bn}'; allowed: standing, running")
        live = self.generator_ema if ema and self.generator_ema is not None else self.generator
        with evaluating(live) as network, at_truncation(network, truncation):
            if bn == "running" or all(map(has_tables, normalizers(network))):
                yield network
                return
        yield self._with_standing_statistics(live, 1.0 if self.truncation_trick == "factor" else truncation)

    def _with_standing_statistics(self, live: nn.Module, truncation: float) -> nn.Module:
        """A copy whose batch-norm statistics are re-estimated from seeded batches; kept until the weights change.

        Running statistics trail behind the weights, and an average of weights has none of its own.
        """
        # Tensors' version counters miss fused optimiser steps; norms cost little beside the estimate.
        norms = torch.stack(torch._foreach_norm(list(live.parameters()))).tolist()
        version = (id(live), self.device, norms, truncation)
        if self._sampler is not None and self._sampler[0] == version:
            return self._sampler[1]
        network = copy.deepcopy(live).eval().requires_grad_(False)
        size = self.standing_batch_size
        with standing_statistics(network):
            for start in range(0, self.standing_batches * size, size):
                indices = torch.arange(start, start + size)
                seed = stream(0, 0)
                labels = self.drawn_labels(indices.tolist(), seed).to(self.device) if self.is_conditional else None
                latents = self.sample_latents(indices.tolist(), seed, truncation).to(self.device)
                self.synthesize(network, latents, labels)
        object.__setattr__(self, "_sampler", (version, network))  # not a sub-module: it must not enter checkpoints
        return network

    def teardown(self, stage: str) -> None:
        """Free the copy that grids were drawn from."""
        super().teardown(stage)
        self._sampler = None
