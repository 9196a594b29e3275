"""CoGAN: two generators and two critics that share most weights learn pairs of images from two domains without any pair.

Paper: Coupled Generative Adversarial Networks, Liu and Tuzel 2016, arXiv:1606.07536. Code: mingyuliutw/CoGAN (PyTorch, and
Caffe, which the paper's experiments used). What is deep in a generator and late in a critic is shared, so that one latent gives
two pictures of one thing; the first layer of each critic and the last of each generator belong to a domain.

Where we differ: both domains' losses are added, as in the paper; the code takes the mean over all images, half of that,
which beside weight decay changes nothing under Adam. The two outputs of the softmax are one logit, their difference. The PyTorch
code draws fakes anew for the generator's turn; here both turns see the same (`share_fakes: false` draws anew). The Caffe code
gives each iteration to one player (its 50,000 are 25,000 of ours), normalises real and generated faces together in the critic
and lets only weights decay; here they pass apart and all parameters decay, as in the PyTorch code. Its faces are one GAN's
prototype at 128x128: the pair and all other sizes are ours, by the paper's rule. Unsupervised domain adaptation (a classifier on
the shared features) is left out.
"""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.losses import non_saturating_discriminator, non_saturating_generator
from lightning_gans.networks.coupled import (
    CoupledDigitsDiscriminator,
    CoupledDigitsGenerator,
    CoupledFacesDiscriminator,
    CoupledFacesGenerator,
)

__all__ = ["CoGAN"]

NETWORKS = ("digits", "digits_caffe", "faces")
DIGITS_SIDE = 28
DOMAINS = ("a", "b")


class CoGAN(LatentModule):
    """Coupled GAN (arXiv:1606.07536). A batch is {"a", "b"}, unpaired; `generate` gives domain a, `generate_pairs` both."""

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        latent_dim: int = 100,
        network: str | None = None,
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        weight_decay: float = 5e-4,
        **engine: Any,
    ) -> None:
        """Build both coupled networks.

        Args:
            image_shape: (C, H, W) of both domains: 28x28, or squares of a power of two from 16 up.
            latent_dim: size of the noise: N(0, 1) for digits, U[-1, 1] for digits_caffe and faces.
            network: digits (28x28, the PyTorch release), digits_caffe (28x28, the Caffe release) or faces. Default: digits at
                28x28, else faces.
            generator_channels: channels before a generator's own layer; default 128, faces 32.
            discriminator_channels: channels after a critic's own layer; default 20, faces 32.
            lr: Adam's learning rate.
            discriminator_lr: the critics'; None = lr.
            betas: Adam's decay rates.
            weight_decay: L2 penalty on weights; 1e-4 for faces.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network, or an image shape it cannot build.
        """
        super().__init__(**engine)
        channels, height, width = image_shape
        small = (height, width) == (DIGITS_SIDE, DIGITS_SIDE)
        if network is None:
            network = "digits" if small else "faces"
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        if network != "faces" and not small:
            raise ValueError(f"images of {height}x{width}; network '{network}' allows only 28x28 (--data.size 28)")
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.lr, self.discriminator_lr, self.betas, self.weight_decay = lr, discriminator_lr, betas, weight_decay
        self.latent_distribution = "normal" if network == "digits" else "uniform"
        if network == "faces":
            self.set_players(
                CoupledFacesGenerator(self.image_shape, latent_dim, generator_channels or 32),
                CoupledFacesDiscriminator(self.image_shape, discriminator_channels or 32),
            )
        else:
            caffe = network == "digits_caffe"
            self.set_players(
                CoupledDigitsGenerator(self.image_shape, latent_dim, generator_channels or 128, caffe),
                CoupledDigitsDiscriminator(self.image_shape, discriminator_channels or 20, caffe),
            )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """-log D(x) - log(1 - D(G(z))) of both domains, added."""
        real_logits = self.discriminate(torch.stack([batch[domain] for domain in DOMAINS], dim=1))  # (N, 2)
        fake_logits = self.fake_logits(batch)
        self.record("real_logits", real_logits)
        self.record("fake_logits", fake_logits)
        terms: Terms = {}
        for index, domain in enumerate(DOMAINS):
            real, fake = non_saturating_discriminator(real_logits[:, index], fake_logits[:, index])
            terms |= {f"real_{domain}": real, f"fake_{domain}": fake}
        return terms

    def generator_loss(self, batch: Batch) -> Terms:
        """-log D(G(z)) of both domains, added: the shared layers get both gradients."""
        fake_logits = self.fake_logits(batch)  # (N, 2)
        return {
            f"adversarial_{domain}": non_saturating_generator(fake_logits[:, index])
            for index, domain in enumerate(DOMAINS)
        }

    def check_batch(self, batch: Batch) -> None:
        """Refuse a first batch that is not as many images of two domains, all of `image_shape`.

        Raises:
            ValueError: another batch.
        """
        super().check_batch(batch)
        if not set(DOMAINS) <= batch.keys():
            raise ValueError(f"a batch of {', '.join(sorted(batch))}; allowed: a and b, images of two domains")
        shapes = ["x".join(map(str, batch[domain].shape[1:])) for domain in DOMAINS]
        built = "x".join(map(str, self.image_shape))
        if shapes != [built, built]:
            raise ValueError(
                f"images of {shapes[0]} (a) and {shapes[1]} (b); allowed: both of {built}, which this model was built for "
                "(image_shape)"
            )
        if len(batch["a"]) != len(batch["b"]):
            raise ValueError(
                f"{len(batch['a'])} images of a and {len(batch['b'])} of b; allowed: as many of both in a batch"
            )

    def generate_pairs(
        self,
        n: int,
        *,
        seed: int | None = None,
        truncation: float = 1.0,
        ema: bool = True,
        batch_size: int = 64,
        bn: str | None = None,
    ) -> Tensor:
        """Sample both pictures of n latents; see `generate`, whose images are the first ones of the same seed.

        Returns:
            float32 (n, 2, C, H, W) in [-1, 1] on CPU: [:, 0] domain a, [:, 1] domain b.

        Raises:
            ValueError: n, batch_size or truncation out of range.
        """
        if n < 0 or batch_size < 1 or truncation < 0.0:
            raise ValueError(f"n={n}, batch_size={batch_size}, truncation={truncation}; allowed: from 0, 1 and 0 up")
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        batches = [
            self.render_pairs(
                self.sample_latents(range(start, min(start + batch_size, n)), seed) * truncation, ema=ema, bn=bn
            )
            for start in range(0, n, batch_size)
        ]
        return torch.cat(batches) if batches else torch.empty(0, 2, *self.image_shape)

    def pictures(self, n: int, *, seed: int, labels: Tensor | None = None) -> Tensor:
        """Pairs side by side, domain a on the left: (n, C, H, 2 W)."""
        return torch.cat(list(self.generate_pairs(n, seed=seed).unbind(dim=1)), dim=3)

    def render_pairs(self, latents: Tensor, *, ema: bool = True, bn: str | None = None) -> Tensor:
        """Both pictures of given latents (N, latent_dim): float32 (N, 2, C, H, W) in [-1, 1] on CPU."""
        return super().render(latents, None, ema=ema, bn=bn)

    def render(
        self, latents: Tensor, labels: Tensor | None = None, *, ema: bool = True, bn: str | None = None
    ) -> Tensor:
        """Domain a's pictures of given latents (N, latent_dim): float32 (N, C, H, W) in [-1, 1] on CPU."""
        return super().render(latents, labels, ema=ema, bn=bn)[:, 0].contiguous()
