"""What BigGAN and BigGAN-deep share beyond their networks (Brock et al. 2018, arXiv:1809.11096)."""

from __future__ import annotations

from torch import nn

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.sampling import TRUNCATIONS
from lightning_gans.layers.initialize import normal_init, orthogonal_init
from lightning_gans.losses import hinge_discriminator, hinge_generator
from lightning_gans.penalties import add_orthogonal_gradients_

__all__ = ["LargeScaleModule"]

INITS = ("orthogonal", "normal")


class LargeScaleModule(LatentModule):
    """A latent model with the hinge loss, truncation by resampling, and orthogonal regularisation of the generator."""

    orthogonal_weight: float

    def set_up(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int | None,
        conditional: bool,
        init: str,
        orthogonal_weight: float,
        truncation_trick: str,
    ) -> int | None:
        """Keep what both models know by the same names; returns the number of classes that the networks take.

        Raises:
            ValueError: an option outside what it allows.
        """
        if num_classes is not None and num_classes < 1:
            raise ValueError(f"num_classes={num_classes}; allowed: None, or 1 or more")
        if init not in INITS:
            raise ValueError(f"init '{init}'; allowed: {', '.join(INITS)}")
        if orthogonal_weight < 0.0:
            raise ValueError(f"orthogonal_weight={orthogonal_weight}; allowed: 0 or more")
        if truncation_trick not in TRUNCATIONS:
            raise ValueError(f"truncation_trick '{truncation_trick}'; allowed: {', '.join(TRUNCATIONS)}")
        self.image_shape = (image_shape[0], image_shape[1], image_shape[2])
        self.num_classes, self.conditional = num_classes, conditional
        self.orthogonal_weight, self.truncation_trick = orthogonal_weight, truncation_trick
        return num_classes if conditional else None

    def start(self, init: str, generator: nn.Module, discriminator: nn.Module) -> None:
        """Initial weights, embeddings included, and the players."""
        for network in (generator, discriminator):
            if init == "orthogonal":
                orthogonal_init(network)
            else:
                normal_init(network, gains=False)
                for module in network.modules():
                    if isinstance(module, nn.Embedding):
                        nn.init.normal_(module.weight, 0.0, 0.02)
        self.set_players(generator, discriminator)

    def discriminator_loss(self, batch: Batch) -> Terms:
        """max(0, 1 - f(x)) + max(0, 1 + f(G(z)))."""
        return hinge_discriminator(*self.real_and_fake_logits(batch))._asdict()

    def generator_loss(self, batch: Batch) -> Terms:
        """-f(G(z)); what keeps filters orthogonal is added to the gradients."""
        return {"adversarial": hinge_generator(self.fake_logits(batch))}

    def adjust_gradients(self, player: str) -> None:
        """Orthogonal regularisation of all the generator's matrices but class embeddings, once an update."""
        super().adjust_gradients(player)
        if player == "generator" and self.orthogonal_weight:
            embeddings = [m for m in self.generator.modules() if isinstance(m, nn.Embedding)]
            spared = {id(embedding.weight) for embedding in embeddings}
            weights = [weight for weight in self.generator.parameters() if id(weight) not in spared]
            add_orthogonal_gradients_(weights, self.orthogonal_weight)
