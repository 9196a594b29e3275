"""Facts of Jin et al. 2017, and the contract with tags and without."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from datamodules.base import ImageDataModule
from lightning_gans import AnimeGAN
from lightning_gans.core.conditions import tag_groups
from lightning_gans.core.noise import draw
from lightning_gans.networks.srresnet import CriticBlock, GeneratorBlock, SRResNetCritic
from tests.contract import Contract
from tests.training import fit

NAMES = ["red hair", "blue hair", "smile", "hat", "red eyes", "green eyes"]
SMALL: dict[str, Any] = {
    "latent_dim": 6,
    "generator_channels": 4,
    "discriminator_channels": 2,
    "generator_blocks": 2,
}


class Tagged(ImageDataModule):
    """Noise with tags."""

    classes = ()
    min_size = 16

    def load(self, train: bool) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(int(train))
        pixels = torch.randint(0, 256, (40, 1, 16, 16), generator=generator, dtype=torch.uint8)
        return pixels, (torch.rand(40, len(NAMES), generator=generator) < 0.5).float()


class TestTags(Contract):
    def tiny(self, **options: Any) -> AnimeGAN:
        return AnimeGAN((1, 16, 16), **{"tags": NAMES, **SMALL, **options})

    def data(self) -> Any:
        return Tagged(size=16, batch_size=8)


class TestWithoutTags(Contract):
    def tiny(self, **options: Any) -> AnimeGAN:
        return AnimeGAN((1, 16, 16), **{"tags": None, **SMALL, **options})


class Critic(nn.Module):
    """Judges by a linear map: row 0 is the adversarial logit; keeps what it saw."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight, self.seen = nn.Parameter(weight), []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach())
        return images.flatten(1) @ self.weight.T


@pytest.mark.parametrize("side", [16, 128])
def test_the_critic_tells_images_apart_from_its_start_however_deep(side: int) -> None:
    torch.manual_seed(0)
    critic = SRResNetCritic((3, side, side), channels=8)
    patches = torch.rand(8, 3, 8, 8) * 2 - 1
    with torch.no_grad():
        features = critic.layers(F.interpolate(patches, size=(side, side)))
    assert 0.05 < features.std(dim=0).mean() < 1.0  # from PyTorch's start: 0.011 and 0.0004


def test_tags_of_the_paper_and_their_order() -> None:
    tags = AnimeGAN((3, 16, 16), **SMALL).tags or []
    assert len(tags) == 34
    assert (tags[0], tags[8], tags[12]) == ("blonde hair", "silver hair", "grey hair")
    assert tags[13:18] == ["long hair", "short hair", "twin tails", "drill hair", "ponytail"]
    assert tags[18:24] == ["blush", "smile", "open mouth", "hat", "ribbon", "glasses"]
    assert (tags[24], tags[29], tags[33]) == ("blue eyes", "yellow eyes", "orange eyes")
    assert tag_groups(tags) == [list(range(13)), list(range(24, 34))]


def test_layers_of_the_paper() -> None:
    with torch.device("meta"):
        model = AnimeGAN()
    assert sum(isinstance(m, GeneratorBlock) for m in model.generator.modules()) == 16
    assert sum(isinstance(m, CriticBlock) for m in model.discriminator.modules()) == 10
    assert sum(isinstance(m, nn.PixelShuffle) for m in model.generator.modules()) == 3
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.discriminator.modules())
    halving = [m for m in model.discriminator.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    assert [m.out_channels for m in halving] == [32, 64, 128, 256, 512, 1024]
    assert [m.kernel_size[0] for m in halving] == [4, 4, 4, 3, 3, 3]
    assert model.generator.pixels.kernel_size == (9, 9)


@pytest.mark.parametrize("side", [16, 32, 64, 128])
def test_sizes_end_at_two_by_two(side: int) -> None:
    with torch.device("meta"):
        model = AnimeGAN((3, side, side), **SMALL)
        images = model.generator(torch.empty(2, 6), torch.empty(2, 34))
        assert images.shape == (2, 3, side, side)
        assert model.discriminator.layers(images).shape[2:] == (2, 2)
        assert model.discriminator(images).shape == (2, 35)


def test_the_generator_is_told_minus_one_and_one() -> None:
    model = AnimeGAN((1, 16, 16), tags=NAMES, **SMALL)
    seen: list[Tensor] = []
    model.generator.dense.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    tags = torch.tensor([[1.0, 0, 0, 1, 0, 1]])
    model(torch.zeros(1, 6), tags)
    assert seen[0].tolist() == [[0.0] * 6 + [1, -1, -1, 1, -1, 1]]


def test_drawn_tags_have_one_of_each_group_and_quarters_of_the_rest() -> None:
    model = AnimeGAN((3, 16, 16), **SMALL)
    generator = torch.Generator().manual_seed(0)
    tags = model.draw_tags(20_000, lambda shape, kind: draw(shape, kind, generator))
    hair, marks, eyes = tags[:, :13], tags[:, 13:24], tags[:, 24:]
    for group in (hair, eyes):
        assert (group.sum(dim=1) == 1).all()
        torch.testing.assert_close(
            group.mean(dim=0), torch.full((group.shape[1],), 1 / group.shape[1]), atol=0.01, rtol=0
        )
    torch.testing.assert_close(marks.mean(dim=0), torch.full((11,), 0.25), atol=0.015, rtol=0)
    correlation = torch.corrcoef(torch.cat([hair[:, :1], marks, eyes[:, :1]], dim=1).T) - torch.eye(13)
    assert correlation.abs().max() < 0.04


def losses(model: AnimeGAN, weight: Tensor) -> tuple[dict[str, float], dict[str, float], Critic]:
    model.discriminator = critic = Critic(weight)
    torch.manual_seed(0)
    batch = {"images": torch.rand(4, 1, 16, 16) * 2 - 1, "tags": torch.ones(4, len(model.tags or []))}
    discriminator, generator = model.discriminator_loss(batch), model.generator_loss(batch)
    return ({k: v.item() for k, v in discriminator.items()}, {k: v.item() for k, v in generator.items()}, critic)


def test_losses_and_weights_of_the_paper() -> None:
    model = AnimeGAN((1, 16, 16), tags=NAMES, **SMALL)
    d, g, _ = losses(model, torch.zeros(7, 256))  # all logits 0, no gradient: (0 - 1)^2
    log2 = math.log(2)
    assert d == pytest.approx(
        {"real": 6 * log2, "fake": 6 * log2, "real_tags": 6 * log2, "fake_tags": 6 * log2, "gradient_penalty": 0.5},
        abs=1e-4,
    )
    assert g == pytest.approx({"adversarial": 6 * log2, "tags": 6 * log2}, abs=1e-4)
    assert AnimeGAN((1, 16, 16), **SMALL).adversarial_weight == 34.0
    untagged = AnimeGAN((1, 16, 16), tags=None, **SMALL)
    d, g, _ = losses(untagged, torch.zeros(1, 256))
    assert d == pytest.approx({"real": 34 * log2, "fake": 34 * log2, "gradient_penalty": 0.5}, abs=1e-4)
    assert g == pytest.approx({"adversarial": 34 * log2}, abs=1e-4)


def test_the_penalty_is_of_the_adversarial_logit_alone_beside_real_images() -> None:
    model = AnimeGAN((1, 16, 16), tags=NAMES, perturbation_scale=0.0, **SMALL)
    weight = torch.randn(7, 256)
    weight[0] *= 3.0 / weight[0].norm()
    d, _, critic = losses(model, weight)
    assert d["gradient_penalty"] == pytest.approx(0.5 * (3.0 - 1.0) ** 2, rel=1e-4)
    assert torch.equal(critic.seen[2], critic.seen[0])  # real, fake, penalty: no noise, no share of the fakes


def test_tags_of_real_and_fake_images_are_judged_by_their_own() -> None:
    model = AnimeGAN((1, 16, 16), tags=NAMES, **SMALL)
    big = 20.0
    real_tags = torch.tensor([[1.0, 0, 1, 0, 0, 1]]).repeat(4, 1)

    class Oracle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, images: Tensor) -> Tensor:
            tags = (real_tags[0] * 2 - 1) * big * self.scale + 0.0 * images.mean()
            return torch.cat([images.flatten(1).sum(1, keepdim=True) * 0.0, tags.repeat(len(images), 1)], dim=1)

    model.discriminator = Oracle()
    terms = model.discriminator_loss({"images": torch.rand(4, 1, 16, 16), "tags": real_tags})
    assert terms["real_tags"].item() < 1e-6
    assert terms["fake_tags"].item() > big  # drawn tags differ from those in some place of some row


def test_generation_by_names() -> None:
    torch.manual_seed(0)
    model = AnimeGAN((1, 16, 16), tags=NAMES, **SMALL)
    rows = model.conditions(40, 3, tags="blue hair, smile")
    assert rows is not None
    assert rows[:, :4].tolist() == [[0.0, 1.0, 1.0, 0.0]] * 40
    assert (rows[:, 4:].sum(dim=1) == 1).all()
    assert 5 < rows[:, 4].sum() < 35  # eyes are drawn
    assert torch.equal(rows[:7], model.conditions(7, 3, tags=["smile", "blue hair"]))
    drawn = model.conditions(40, 3)
    assert drawn is not None
    assert torch.equal(drawn[:, 4:], rows[:, 4:])  # the same draw
    images = model.generate(6, seed=3, tags="blue hair, smile")
    assert torch.equal(images, model.generate(6, seed=3, labels=rows[:6]))
    assert not torch.allclose(images, model.generate(6, seed=3, tags="red hair"))
    assert torch.equal(model.generate(6, seed=3), model.generate(6, seed=3, labels=drawn[:6]))


def test_defaults_are_the_papers() -> None:
    model = AnimeGAN((3, 16, 16), generator_channels=4, discriminator_channels=2)
    assert (model.lr, model.betas, model.latent_dim, model.latent_distribution) == (2e-4, (0.5, 0.999), 128, "normal")
    assert (model.d_steps, model.penalty_weight, model.tag_weight, model.ema_decay) == (1, 0.5, 1.0, None)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^network 'unet'; allowed: paper, bhpfelix$"):
        AnimeGAN(network="unet")
    for shape, near in (
        ((3, 96, 96), "64 or 128"),
        ((3, 8, 8), "16"),
        ((3, 64, 32), "64 or 128"),
        ((3, 20, 17), "16 or 32"),
    ):
        message = rf"^images of {shape[1]}x{shape[2]}; allowed: square, a power of two from 16 up \(nearest: {near}\)$"
        with pytest.raises(ValueError, match=message):
            AnimeGAN(shape)
    with pytest.raises(ValueError, match=r"^tags \['hat', 'hat'\]; allowed: None, or names, each once$"):
        AnimeGAN(tags=["hat", "hat"])
    with pytest.raises(ValueError, match=r"^generator_blocks=0; allowed: 1 or more$"):
        AnimeGAN(generator_blocks=0)
    model = AnimeGAN((1, 16, 16), tags=NAMES, **SMALL)
    with pytest.raises(
        ValueError, match=r"^unknown tag 'blu hair'. Did you mean 'blue hair'\? Choose from: red hair, blue"
    ):
        model.generate(1, tags="blu hair")
    with pytest.raises(
        ValueError, match=r"^tags 'red hair' and 'blue hair'; allowed: one of them, they exclude each other$"
    ):
        model.generate(1, tags="blue hair, red hair")
    message = r"^labels of shape \(1,\) for AnimeGAN, which was trained with tags; allowed: rows of 6 tags, \(n, 6\)$"
    with pytest.raises(ValueError, match=message):
        model.generate(1, labels=[0])
    with pytest.raises(ValueError, match=r"^tags from -1 to 1; allowed: 0 to 1$"):
        model.generate(1, labels=torch.tensor([[-1.0, 1, 0, 0, 0, 0]]))
    with pytest.raises(ValueError, match=r"^labels and tags; allowed: one of them$"):
        model.generate(1, labels=torch.ones(1, 6), tags="hat")
    untagged = AnimeGAN((1, 16, 16), tags=None, **SMALL)
    with pytest.raises(ValueError, match=r"^tags for AnimeGAN, which was trained without tags$"):
        untagged.generate(1, tags="hat")
    with pytest.raises(
        ValueError, match=r"^a batch without tags for a model with tags; allowed: tags \(N, 6\) in \{0, 1\}$"
    ):
        fit(model, 1)
    other = DataLoader(TensorDataset(torch.zeros(8, 1, 16, 16), torch.zeros(8, 5)), batch_size=4)
    with pytest.raises(ValueError, match=r"^tags of shape \(4, 5\); allowed: tags \(N, 6\) in \{0, 1\}$"):
        fit(model, 1, other)
