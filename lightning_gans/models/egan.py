"""E-GAN: three losses breed children of each generator; the critic's judgement of quality and diversity picks survivors.

Paper: Evolutionary Generative Adversarial Networks, Wang, Xu, Yao and Tao 2018, arXiv:1803.00657. Code:
WANG-Chaoyue/EvolutionaryGAN (Theano), WANG-Chaoyue/EvolutionaryGAN-pytorch. As in the code, the generators move first, and the
critic's `d_steps` turns see the pictures that its survivors were judged by: no second pass of a generator.

Where we differ: each child starts from its parent's weights and optimiser state. The Theano code means to, but parents and
survivors are one Python list there, so that with one survivor the mutations are chained, and one Adam state a loss serves all
candidates; the PyTorch code copies, as we do. Minimax and heuristic mutations have the paper's factor 1/2, the codes have none.
All children of an iteration are judged on the same noise and on the iteration's own real images (96 with the defaults: the
code's number at 64x64 and 128x128; at 32x32 it takes 256 others), and with `mu` survivors row i of the critic's fakes is the
i-th survivor's, in turn. The Theano code trains the first parents a step unjudged; ours start as they are. Its gradient
penalty (`penalty_weight`, off by default) leaves batch norm in the critic; ours takes it out, as the penalty is per sample.
The toy's perceptrons are `network: mlp`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import Terms
from lightning_gans.core.latent import Fakes, LatentModule
from lightning_gans.core.processes import average_
from lightning_gans.losses import (
    GeneratorLoss,
    minimax_generator,
    non_saturating_discriminator,
    non_saturating_generator,
)
from lightning_gans.networks.dcgan_evolved import EvolvedDiscriminator, EvolvedGenerator
from lightning_gans.networks.perceptron import PerceptronCritic, PerceptronGenerator
from lightning_gans.penalties import gradient_penalty

__all__ = ["EGAN", "MUTATIONS", "critic_gradients", "diversity", "quality"]

NETWORKS = ("theano", "pytorch", "mlp")
LARGE = 128  # pixels a side from which the Theano code halves its widths

# D as a probability, the sigmoid of the critic's output: log(1 - D) / 2, -log(D) / 2, (D - 1)^2.
MUTATIONS: dict[str, GeneratorLoss] = {
    "minimax": lambda fake_logits: 0.5 * minimax_generator(fake_logits),
    "heuristic": lambda fake_logits: 0.5 * non_saturating_generator(fake_logits),
    "least_squares": lambda fake_logits: (torch.sigmoid(fake_logits) - 1.0).square().mean(),
}


def critic_gradients(critic: nn.Module, images: Tensor, real: bool) -> tuple[Tensor, list[Tensor]]:
    """The gradient over the critic's parameters of -log D(x) (real) or -log(1 - D(G(z))), the mean over `images` (N, C, H, W).

    First order only, in 32-bit outside autocast. Neither `.grad` nor batch-norm statistics change: batch norm normalises by
    these images, as in the critic's own turn, and updates copies.

    Returns:
        The critic's raw output (N,), and a gradient for each of its parameters that moves, all float32.
    """
    weights = [weight for weight in critic.parameters() if weight.requires_grad]
    buffers = {name: buffer.clone() for name, buffer in critic.named_buffers()}
    with torch.autocast(images.device.type, enabled=False):
        logits: Tensor = functional_call(critic, buffers, (images.detach().float(),))
        loss = F.softplus(-logits if real else logits).mean()
        return logits.detach(), list(torch.autograd.grad(loss, weights))


def quality(fake_logits: Tensor) -> Tensor:
    """E D(G(z)), D the sigmoid of `fake_logits` (N,): the paper's F_q."""
    return torch.sigmoid(fake_logits).mean()


def diversity(gradients: Sequence[Tensor]) -> Tensor:
    """-log of the norm of the gradient of the critic's whole loss over its parameters, the paper's F_d: fakes that are spread over
    the data leave the critic little to learn."""
    return -torch.nn.utils.get_total_norm(gradients).clamp_min(torch.finfo(torch.float32).tiny).log()


class Member(NamedTuple):
    """Copies of a generator's tensors and of what the optimiser remembers of them."""

    tensors: list[Tensor]
    """Parameters, then buffers."""
    states: list[dict[str, Any]]
    """One a parameter; empty before its first step."""


class Child(NamedTuple):
    """A mutated parent and how it is judged; the two fitness terms are those of all processes."""

    member: Member
    mutation: str
    images: Tensor
    terms: Terms
    quality: Tensor
    diversity: Tensor


class EGAN(LatentModule):
    """Evolutionary GAN (arXiv:1803.00657). `generator` is the best member, which sampling uses; `waiting` holds the others.

    An average of weights (`ema_decay`) follows the best member: sensible with `mu` 1, where it is always its own parent's heir.
    """

    turn_order = ("generator", "discriminator")

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        latent_dim: int = 100,
        network: str = "theano",
        generator_channels: int | None = None,
        discriminator_channels: int | None = None,
        mu: int = 1,
        gamma: float = 0.004,
        penalty_weight: float = 0.0,
        lr: float = 2e-4,
        discriminator_lr: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        d_steps: int = 3,
        **engine: Any,
    ) -> None:
        """Build the population and the critic.

        Args:
            image_shape: (C, H, W): squares of a power of two from 16 up; mlp any.
            latent_dim: size of the noise: U[-1, 1] for theano and mlp, N(0, 1) for pytorch.
            network: theano (the first release), pytorch (the second's CIFAR-10 networks) or mlp (the toy's).
            generator_channels: the unit of the generator's widths; default 128, from 128x128 on 64; of mlp the units of a hidden
                layer, default 512.
            discriminator_channels: channels after the first convolution, or hidden units; the same defaults.
            mu: survivors of an iteration, each of which has three children in the next one.
            gamma: weight of diversity in the fitness. The Theano code's beta, on the log of the squared norm, is half of it: the
                default is its CIFAR-10 setting, whatever the network and size; the code has 0.002 at 64x64 and 128x128, 2 in
                the toy.
            penalty_weight: of a gradient penalty on the critic (2 in the Theano code, 10 in the other), whose first decay rate
                is then 0, and which then has no batch norm.
            lr: Adam's learning rate; the code has 1e-4 in the toy.
            discriminator_lr: the critic's; None = lr.
            betas: Adam's decay rates.
            d_steps: turns of the critic an iteration.
            **engine: options of the engine.

        Raises:
            ValueError: an unknown network, an image shape it cannot build, no survivor, or a negative weight.
        """
        super().__init__(d_steps=d_steps, **engine)
        if network not in NETWORKS:
            raise ValueError(f"network '{network}'; allowed: {', '.join(NETWORKS)}")
        if mu < 1:
            raise ValueError(f"mu={mu}; allowed: 1 or more")
        for name, weight in (("gamma", gamma), ("penalty_weight", penalty_weight)):
            if not 0.0 <= weight < math.inf:
                raise ValueError(f"{name}={weight}; allowed: 0 or more")
        channels, height, width = image_shape
        self.image_shape, self.latent_dim = (channels, height, width), latent_dim
        self.mu, self.gamma, self.penalty_weight = mu, gamma, penalty_weight
        self.lr, self.discriminator_lr, self.betas = lr, discriminator_lr, betas
        self.latent_distribution = "normal" if network == "pytorch" else "uniform"
        default = 512 if network == "mlp" else 128 if height < LARGE else 64
        g_channels, d_channels = generator_channels or default, discriminator_channels or default
        generators = [self._generator_network(network, g_channels) for _ in range(mu)]
        self.waiting = nn.ModuleList(generators[1:]).requires_grad_(False)
        self._waiting_states: list[list[dict[str, Any]]] = []
        self._mutation, self._whole = "heuristic", Batch()
        self.set_players(generators[0], self._critic_network(network, d_channels))

    def _generator_network(self, network: str, channels: int) -> nn.Module:
        if network == "mlp":
            return PerceptronGenerator(self.image_shape, self.latent_dim, channels)
        return EvolvedGenerator(self.image_shape, self.latent_dim, channels, network)

    def _critic_network(self, network: str, channels: int) -> nn.Module:
        if network == "mlp":
            return PerceptronCritic(self.image_shape, channels)
        return EvolvedDiscriminator(self.image_shape, channels, network, batch_norm=not self.penalty_weight)

    # ---------------------------------------------------------------- losses

    def generator_loss(self, batch: Batch) -> Terms:
        """The loss of the mutation whose turn it is."""
        return {"adversarial": MUTATIONS[self._mutation](self.fake_logits(batch))}

    def discriminator_loss(self, batch: Batch) -> Terms:
        """-log D(x) - log(1 - D(G(z))) on the survivors' images, and the gradient penalty if it has a weight."""
        terms = non_saturating_discriminator(*self.real_and_fake_logits(batch))._asdict()
        if self.penalty_weight:
            epsilon = (self.noise((len(batch["images"]),), "uniform") + 1.0) / 2.0  # (N,), U[0, 1)
            penalty = gradient_penalty(self.discriminator, batch["images"], self.fakes(batch).images, epsilon)
            terms["gradient_penalty"] = self.penalty_weight * penalty
        return terms

    def fakes(self, batch: Batch) -> Fakes:
        """The critic sees the images that its survivors were judged by; a mutation draws its own."""
        if self._moving == "discriminator" and "fakes" in batch:
            return Fakes(batch["latents"], None, batch["fakes"])
        return super().fakes(batch)

    # ---------------------------------------------------------------- evolution

    def prepare_batch(self, batch: Any) -> Batch:
        """Beside the images the noise that candidates are judged on, and room for the survivors' images: rows of one batch, so
        that parts and chunks are cut alike."""
        prepared = super().prepare_batch(batch)
        prepared["latents"] = self.latents(len(prepared["images"]), self.noise)
        prepared["fakes"] = torch.empty_like(prepared["images"])
        self._whole = prepared
        return prepared

    def generator_turn(self, batch: Batch) -> None:
        """A generation: each parent by each mutation, an update from the parent's own state; the fittest `mu` stay."""
        real = critic_gradients(self.discriminator, self._whole["images"], real=True)[1]  # the same for all
        children = []
        for parent in self._parents():
            for self._mutation in MUTATIONS:
                self._restore(parent)
                super().generator_turn(batch)
                children.append(self._judge(real))
        self._select(children)

    def _parents(self) -> list[Member]:
        waiting = zip(self.waiting, self._waiting_states, strict=True)
        return [self._copy(), *(Member(_tensors(network), states) for network, states in waiting)]

    def _judge(self, real_gradients: list[Tensor]) -> Child:
        with torch.no_grad():
            images = self.synthesize(self.fast(self.generator), self._whole["latents"], None)
        logits, fake_gradients = critic_gradients(self.discriminator, images, real=False)
        gradients = list(torch._foreach_add(real_gradients, fake_gradients))
        share = quality(logits)
        average_([*gradients, share])  # the joint batch's: all processes choose the same survivors
        terms = {name: value for name, value in self.terms.items() if name.startswith("generator/")}
        return Child(self._copy(), self._mutation, images, terms, share, diversity(gradients))

    @torch.no_grad()
    def _select(self, children: list[Child]) -> None:
        fitness = torch.stack([child.quality + self.gamma * child.diversity for child in children])
        ranked = fitness.nan_to_num(nan=-torch.inf).argsort(descending=True, stable=True)
        order: list[int] = ranked[: self.mu].tolist()  # the one wait for the device in an iteration
        survivors = [children[index] for index in order]
        best, *others = survivors
        self._restore(best.member)
        for network, other in zip(self.waiting, others, strict=True):
            torch._foreach_copy_(_tensors(network), other.member.tensors)
        self._waiting_states = [other.member.states for other in others]
        rows = torch.arange(len(best.images), device=self.device)
        turns = (
            rows * self.trainer.world_size + self.global_rank
        ) % self.mu  # row i of the joint batch: the i-th, in turn
        self._whole["fakes"].copy_(torch.stack([survivor.images for survivor in survivors])[turns, rows])
        self.terms.update(best.terms)
        self._record(children, survivors)

    def _record(self, children: list[Child], survivors: list[Child]) -> None:
        """Of the best member both parts of its fitness; of each mutation its loss and its share of the survivors."""
        best = survivors[0]
        records = {"quality": best.quality, "diversity": best.diversity}
        for name in MUTATIONS:
            losses = [child.terms["generator/adversarial"] for child in children if child.mutation == name]
            bred = sum(survivor.mutation == name for survivor in survivors)
            records |= {name: torch.stack(losses), f"bred_by_{name}": best.quality.new_tensor(bred / self.mu)}
        for name, value in records.items():
            self.record(name, value)

    # ---------------------------------------------------------------- members

    def _copy(self) -> Member:
        """What the generator and its optimiser hold now."""
        memory = self.trainer.optimizers[0].state
        states = [
            {
                key: value.clone() if isinstance(value, Tensor) else value
                for key, value in memory.get(weight, {}).items()
            }
            for weight in self._weights["generator"]
        ]
        return Member([tensor.detach().clone() for tensor in _tensors(self.generator)], states)

    @torch.no_grad()
    def _restore(self, member: Member) -> None:
        """Make the generator and its optimiser what `member` holds; it stays as it is."""
        torch._foreach_copy_(_tensors(self.generator), member.tensors)
        memory = self.trainer.optimizers[0].state
        for weight, saved in zip(self._weights["generator"], member.states, strict=True):
            live = memory.pop(weight, {})
            if saved:  # a checkpoint's copies are on the CPU; some optimisers keep their counts there, others do not
                memory[weight] = {
                    key: value.to(live.get(key, value).device, copy=True) if isinstance(value, Tensor) else value
                    for key, value in saved.items()
                }

    def configure_optimizers(self) -> Any:
        """Adam for both; with a gradient penalty the critic's has no momentum."""
        optimizers = super().configure_optimizers()
        if self.penalty_weight:
            for group in optimizers[1].param_groups:
                group["betas"] = (0.0, self.betas[1])
        return optimizers

    def on_fit_start(self) -> None:
        """A new run starts with new optimisers: of the waiting members, too."""
        super().on_fit_start()
        if self.trainer.ckpt_path is None:
            self._waiting_states = [[{} for _ in self._weights["generator"]] for _ in self.waiting]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the waiting members' optimiser states; their weights are the module's."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["adversarial"]["waiting"] = self._waiting_states

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them up."""
        super().on_load_checkpoint(checkpoint)
        self._waiting_states = checkpoint["adversarial"].get("waiting", [])


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
