"""Improved Techniques (Salimans et al. 2016) on DCGAN: off they change nothing, on they train and do what they say."""

import hashlib
import math
import re
from typing import Any

import pytest
import torch
from torch import nn

from datamodules import Digits
from lightning_gans import DCGAN
from lightning_gans.layers.minibatch_discrimination import MinibatchDiscrimination
from lightning_gans.layers.virtual_batch_norm import VirtualBatchNorm
from lightning_gans.layers.weight_norm import WeightNorm
from tests.contract import Contract
from tests.training import fit

# Keys of the state dict (a digest) and parameters of both players, from before the techniques were there.
UNCHANGED = {
    "torch": ("7dcb805db8795570", [3760, 2464]),
    "paper": ("bf9c6d74dd8d9a77", [5464, 3688]),
    "mnist": ("5d495c90e267c183", [32182, 29702]),
}
TECHNIQUES: dict[str, dict[str, Any]] = {
    "one-sided label smoothing": {"real_target": 0.9},
    "feature matching": {"generator_objective": "feature_matching"},
    "minibatch discrimination": {"minibatch_discrimination": True},
    "historical averaging": {"historical_weight": 0.1},
    "virtual batch norm": {"generator_norm": "virtual"},
    "weight norm": {"discriminator_norm": "weight"},
}


def tiny(**options: Any) -> DCGAN:
    torch.manual_seed(1)
    if options.get("network") == "mnist":
        return DCGAN((1, 28, 28), 10, latent_dim=6, generator_channels=4, discriminator_channels=4, **options)
    return DCGAN((1, 16, 16), latent_dim=6, generator_channels=8, discriminator_channels=8, **options)


def digits(model: DCGAN) -> Digits:
    return Digits(size=model.image_shape[1], batch_size=8)


class TestAllAtOnce(Contract):
    """With feature matching, what the last layer alone holds has no part in the generator's turn but in the other's."""

    def tiny(self, **options: Any) -> DCGAN:
        every = {key: value for technique in TECHNIQUES.values() for key, value in technique.items()}
        shape = (1, 16, 16)
        return DCGAN(shape, latent_dim=6, generator_channels=8, discriminator_channels=8, **{**every, **options})


@pytest.mark.parametrize("network", ["torch", "paper", "mnist"])
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_each_trains_every_network(technique: str, network: str) -> None:
    model = tiny(network=network, **TECHNIQUES[technique])
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    fit(model, 3, digits(model))
    still = [name for name, weight in model.named_parameters() if torch.equal(weight, before[name])]
    assert still == []
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    images = model.generate(5, seed=0)
    assert images.shape == (5, *model.image_shape)
    assert not torch.allclose(images[0], images[1])


@pytest.mark.parametrize("network", ["torch", "paper", "mnist"])
def test_off_nothing_changes(network: str) -> None:
    model = tiny(network=network)
    random = torch.get_rng_state()
    keys = hashlib.sha256("\n".join(model.state_dict()).encode()).hexdigest()[:16]
    counts = [sum(weight.numel() for weight in net.parameters()) for net in model.players.values()]
    assert (keys, counts) == UNCHANGED[network]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.initialize({"images": torch.zeros(4, *model.image_shape), "labels": torch.zeros(4, dtype=torch.long)})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    fit(model, 1, digits(model))
    assert set(model.terms) == {"discriminator/real", "discriminator/fake", "generator/adversarial"}
    real, fake = (model.records[f"discriminator/{side}_logits"] for side in ("real", "fake"))
    assert model.terms["discriminator/real"].item() == nn.functional.softplus(-real).mean().item()
    assert model.terms["discriminator/fake"].item() == nn.functional.softplus(fake).mean().item()


def test_smoothing_is_of_real_images_only() -> None:
    model = tiny(real_target=0.9)
    logits = {"real": torch.tensor([2.0, -1.0]), "fake": torch.tensor([0.5, 3.0])}
    answers = iter(logits.values())
    model.discriminate = lambda *_: next(answers)  # type: ignore[method-assign]
    terms = model.discriminator_loss({"images": torch.zeros(2, 1, 16, 16)})
    real = [math.log1p(math.exp(a)) - 0.9 * a for a in (2.0, -1.0)]
    fake = [math.log1p(math.exp(b)) for b in (0.5, 3.0)]
    assert terms["real"].item() == pytest.approx(sum(real) / 2)
    assert terms["fake"].item() == pytest.approx(sum(fake) / 2)


def test_feature_matching_is_of_what_the_last_layer_sees() -> None:
    model = tiny(generator_objective="feature_matching")
    seen: list[torch.Tensor] = []
    last = model.discriminator.critic.layers[-1]  # type: ignore[union-attr, index]
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(1)))
    batch = {"images": torch.rand(8, 1, 16, 16) * 2 - 1}
    loss = model.generator_loss(batch)
    fakes, real = seen
    expected = (real.mean(dim=0) - fakes.mean(dim=0)).square().sum()
    assert set(loss) == {"feature_matching"}
    assert loss["feature_matching"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert not real.requires_grad


def test_feature_matching_brings_features_nearer() -> None:
    model = tiny(generator_objective="feature_matching", discriminator_lr=1e-12, lr=1e-3)
    data = Digits(size=16, batch_size=64)
    fit(model, 1, data)
    first = model.terms["generator/feature_matching"].item()
    fit(model, 40, data)
    assert model.terms["generator/feature_matching"].item() < 0.5 * first


def test_minibatch_discrimination_compares_a_batch_with_itself() -> None:
    model = tiny(
        minibatch_discrimination=True, discriminator_norm="weight"
    )  # without batch norm, that mixes samples too
    (layer,) = (m for m in model.discriminator.modules() if isinstance(m, MinibatchDiscrimination))
    sizes: list[int] = []
    layer.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    images = torch.rand(6, 1, 16, 16) * 2 - 1
    model.discriminator_loss({"images": images})
    assert sizes == [6, 6]  # real and fake apart
    logits = model.discriminate(images)
    assert logits.shape == (6,)
    company = torch.cat([images[:1], images[:1].expand(5, -1, -1, -1)])
    assert not torch.allclose(model.discriminate(company)[0], logits[0])  # the same image among copies of it
    plain = tiny(discriminator_norm="weight")
    torch.testing.assert_close(plain.discriminate(company)[0], plain.discriminate(images)[0])


def test_history_holds_the_players_back() -> None:
    model = tiny(historical_weight=0.1)
    fit(model, 4)
    assert {name: past.get_buffer("count").item() for name, past in model.history.items()} == {
        "generator": 4,
        "discriminator": 4,
    }
    for player in ("generator", "discriminator"):
        weights = torch.cat([weight.flatten() for weight in model.players[player].parameters()])
        past = model.history[player]
        expected = 0.1 * (weights - past.get_buffer("mean")).square().sum().item()
        assert model.historical(player)["historical"].item() == pytest.approx(expected, rel=1e-4)
        assert expected > 0
    moved = [
        sum((a - b).square().sum().item() for a, b in zip(other.parameters(), tiny().parameters(), strict=True))
        for other in (trained(tiny(), 12), trained(tiny(historical_weight=1e3), 12))
    ]
    assert moved[1] < 0.7 * moved[0]


def trained(model: DCGAN, steps: int) -> DCGAN:
    fit(model, steps, digits(model))
    return model


def test_a_virtual_batch_norms_image_depends_on_its_latent_alone() -> None:
    model = tiny(generator_norm="virtual", ema_decay=0.9)
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.generator.modules())
    assert sum(isinstance(m, VirtualBatchNorm) for m in model.generator.modules()) == 2
    before = model.generator.get_buffer("reference").clone()
    fit(model, 2)
    assert not torch.equal(model.generator.get_buffer("reference"), before)
    assert model.generator_ema is not None
    assert torch.equal(model.generator.get_buffer("reference"), model.generator_ema.get_buffer("reference"))
    latents = torch.randn(5, 6)
    model.train()
    torch.testing.assert_close(model(latents)[:2], model(latents[:2]), atol=1e-5, rtol=0)
    plain = trained(tiny(), 2).train()
    assert not torch.allclose(plain(latents)[:2], plain(latents[:2]), atol=1e-3)


def test_weight_norm_starts_from_the_first_batch() -> None:
    model = tiny(discriminator_norm="weight")
    norms = [m for m in model.discriminator.modules() if isinstance(m, WeightNorm)]
    assert len(norms) == 3
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.discriminator.modules())
    batch = {"images": torch.rand(64, 1, 16, 16) * 2 - 1}
    model.initialize(batch)
    stds: list[float] = []
    for norm in norms:
        norm.register_forward_hook(lambda _, __, output: stds.append(output.std().item()))
    model.discriminator(batch["images"])
    assert stds == pytest.approx([1.0] * 3, rel=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"real_target": 1.5}, "real_target=1.5; allowed: above 0, up to 1"),
        ({"historical_weight": -1.0}, "historical_weight=-1.0; allowed: 0 or more"),
        ({"generator_objective": "x"}, "generator_objective 'x'; allowed: non_saturating, feature_matching"),
        ({"generator_norm": "layer"}, "generator_norm 'layer'; allowed: batch, virtual"),
        ({"discriminator_norm": "layer"}, "discriminator_norm 'layer'; allowed: batch, weight"),
    ],
)
def test_options_outside_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DCGAN((1, 16, 16), **options)
