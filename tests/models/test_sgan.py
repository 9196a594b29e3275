"""Facts of Salimans et al. 2016, and the contract for both pairs and for the techniques."""

import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from datamodules import Digits
from lightning_gans import SGAN
from lightning_gans.layers.minibatch_discrimination import MinibatchDiscrimination
from lightning_gans.layers.weight_norm import WeightNorm
from tests.contract import Contract
from tests.core.toys import semi_supervised
from tests.training import fit, trainer

CONV: dict[str, Any] = {
    "latent_dim": 6,
    "generator_channels": 4,
    "discriminator_channels": 4,
    "lr": 1e-3,
    "ema_decay": None,
}
MLP: dict[str, Any] = {
    "network": "mlp",
    "latent_dim": 6,
    "generator_channels": 16,
    "discriminator_channels": 16,
    "ema_decay": None,
}


def few_labels(**options: Any) -> Digits:
    return Digits(**{"size": 16, "batch_size": 8, "labels_per_class": 2, **options})


class TestConv(Contract):
    def tiny(self, **options: Any) -> SGAN:
        return SGAN((1, 16, 16), **{**CONV, **options})

    def data(self) -> Digits:
        return few_labels()


class TestMLP(Contract):
    def tiny(self, **options: Any) -> SGAN:
        return SGAN((1, 16, 16), **{**MLP, **options})

    def data(self) -> Digits:
        return few_labels()


class TestTechniques(Contract):
    """Everything else at once, on images that all have labels."""

    def tiny(self, **options: Any) -> SGAN:
        extra = {"minibatch_discrimination": True, "generator_norm": "virtual", "real_target": 0.9}
        return SGAN((1, 16, 16), historical_weight=1e-3, **{**CONV, **extra, **options})


class Fixed(nn.Module):
    """Logits and features that the images spell: the first K and the next F pixels."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.numbers = numbers

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, : self.numbers]


class Drawn(nn.Module):
    """The same image for any latent."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.image = image

    def forward(self, latents: Tensor) -> Tensor:
        return self.image.expand(len(latents), *self.image.shape)


def spelled(*rows: list[float]) -> Tensor:
    images = torch.zeros(len(rows), 1, 16, 16)
    images.view(len(rows), -1)[:, : len(rows[0])] = torch.tensor(rows)
    return images


def model_of(**options: Any) -> SGAN:
    """K = 2 classes and two features."""
    model = SGAN((1, 16, 16), 2, **MLP, **options)
    model.generator, model.discriminator = Drawn(spelled([0.0, 0.0, 0.5, 0.0])[0]), Fixed(4)
    return model


def test_the_discriminators_loss() -> None:
    # labelled 0: LSE(1, 0) - 1; unlabelled: logits (0, 1), LSE = log(1 + e); fakes: logits (0, 0), LSE = log 2
    batch = {"images": spelled([1.0, 0.0, 0, 0], [0.0, 1.0, 0, 0]), "labels": torch.tensor([0, -1])}
    evidence = math.log(1 + math.e)
    expected = {
        "labelled": evidence - 1,
        "real": -0.5 * evidence + 0.5 * math.log1p(math.exp(evidence)),
        "fake": 0.5 * math.log(3),
    }
    losses = model_of().discriminator_loss(batch)
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected)
    halved = model_of(unsupervised_weight=0.5, real_target=0.9).discriminator_loss(batch)
    assert halved["labelled"].item() == pytest.approx(expected["labelled"])
    assert halved["real"].item() == pytest.approx(0.5 * (expected["real"] + 0.05 * evidence))
    assert halved["fake"].item() == pytest.approx(0.5 * expected["fake"])


@pytest.mark.parametrize(
    "labels", [[3, 1, 4, 1, -1, -1, -1, -1], [5, -1, -1, -1, -1, -1, -1, -1], [0, 1, 2, 3, 4, 5, 6, 7]]
)
@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulated_chunks_are_the_whole_however_labels_lie(labels: list[int], accumulate: int) -> None:
    images = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    loader = torch.utils.data.DataLoader([{"images": images, "labels": torch.tensor(labels)}] * 3, batch_size=None)
    found = []
    for chunks in (1, accumulate):
        model = semi_supervised(accumulate=chunks)
        fit(model, 3, loader)
        losses = {name: loss.item() for name, loss in model.terms.items()}
        found.append((losses, torch.cat([weight.detach().flatten() for weight in model.parameters()])))
    (whole, weights), (halves, others) = found
    assert halves == pytest.approx(whole, rel=1e-5)
    torch.testing.assert_close(others, weights, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 0.0625),  # means of unlabelled rows (0.5, 0.5) -> (0.75, 0.25); of fakes (0.5, 0)
        ({"feature_distance": "mean_absolute"}, 0.25),
        ({"feature_distance": "squared_norm"}, 0.125),
        ({"generator_objective": "minimax"}, -math.log(3)),
    ],
)
def test_the_generators_loss(options: dict[str, str], expected: float) -> None:
    images = spelled([0.3, 0.0, -1.0, -1.0], [0.9, 0.1, 0.5, 0.5], [0.0, 0.0, 1.0, 0.0])
    batch = {"images": images, "labels": torch.tensor([1, -1, -1])}
    losses = model_of(**options).generator_loss(batch)
    assert [loss.item() for loss in losses.values()] == pytest.approx([expected])


def test_the_generator_does_not_learn_from_real_features_but_in_training_mode() -> None:
    model = SGAN((1, 16, 16), **MLP)
    batch = {"images": torch.rand(4, 1, 16, 16), "labels": torch.tensor([0, 1, -1, -1])}
    states: list[tuple[bool, bool]] = []
    model.discriminator.register_forward_hook(
        lambda module, *_: states.append((module.training, torch.is_grad_enabled()))
    )
    model.generator_loss(batch)["feature_matching"].backward()
    assert states == [(True, True), (True, False)]


@pytest.mark.parametrize(("minibatch", "turns"), [(False, 1), (True, 3)])
def test_turns_of_the_generator(minibatch: bool, turns: int) -> None:
    model = SGAN((1, 16, 16), **MLP, minibatch_discrimination=minibatch)
    assert model.g_steps == turns
    assert model.generator_objective == ("minimax" if minibatch else "feature_matching")
    moved: list[str] = []
    update = model.update
    model.update = lambda player, *rest: (moved.append(player), update(player, *rest))[1]  # type: ignore[method-assign]
    fit(model, 2, few_labels())
    assert moved == (["discriminator"] + ["generator"] * turns) * 2


def test_real_and_fake_are_compared_apart() -> None:
    model = SGAN((1, 16, 16), **MLP, minibatch_discrimination=True)
    (layer,) = (m for m in model.discriminator.modules() if isinstance(m, MinibatchDiscrimination))
    sizes: list[int] = []
    layer.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    model.discriminator_loss({"images": torch.rand(6, 1, 16, 16), "labels": torch.tensor([0, 1, 2, -1, -1, -1])})
    assert sizes == [6, 6]


def test_the_start_from_data() -> None:
    model = SGAN((1, 16, 16), **{**CONV, "generator_channels": 8})
    norms = {name: m for name, m in model.named_modules() if isinstance(m, WeightNorm) and "ema" not in name}
    before = {name: m.gain.clone() for name, m in norms.items()}
    torch.manual_seed(0)
    model.train()
    model.initialize({"images": torch.rand(64, 1, 16, 16) * 2 - 1, "labels": torch.zeros(64).long()})
    assert all(not torch.equal(m.gain, before[name]) for name, m in norms.items())
    stds: dict[str, float] = {}
    for name in ("generator.layers.4", "discriminator.head.0"):
        norms[name].register_forward_hook(lambda _, __, output, n=name: stds.update({n: output.std().item()}))
    model(torch.rand(64, 6))
    model.discriminator(torch.rand(64, 1, 16, 16) * 2 - 1)
    assert stds == pytest.approx({"generator.layers.4": 0.1, "discriminator.head.0": 0.1}, rel=0.5)


def test_a_virtual_batch_norms_image_depends_on_its_latent_alone() -> None:
    model = SGAN((1, 16, 16), **{**CONV, "ema_decay": 0.9}, generator_norm="virtual")
    reference = model.generator.get_buffer("reference").clone()
    fit(model, 2, few_labels())
    assert not torch.equal(model.generator.get_buffer("reference"), reference)
    assert torch.equal(model.generator.get_buffer("reference"), model.generator_ema.get_buffer("reference"))
    latents = torch.rand(5, 6)
    model.train()
    torch.testing.assert_close(model(latents)[:2], model(latents[:2]), atol=1e-5, rtol=0)


def test_history_is_kept_of_every_move() -> None:
    model = SGAN((1, 16, 16), **MLP, minibatch_discrimination=True, historical_weight=0.1)
    fit(model, 2, few_labels())
    counts = {name: past.get_buffer("count").item() for name, past in model.history.items()}
    assert counts == {"generator": 6, "discriminator": 2}
    assert model.terms["generator/historical"] > 0
    assert not any(name.startswith("history") for name, _ in model.named_parameters())
    assert len(SGAN((1, 16, 16), **MLP).history) == 0


def test_it_classifies_by_the_average_of_the_discriminator() -> None:
    model, data = (
        SGAN((1, 16, 16), **{**MLP, "discriminator_channels": 256, "ema_decay": 0.9}),
        few_labels(labels_per_class=20, batch_size=50),
    )
    runner = fit(model, 60, data)
    labels = data.test_dataset.labels
    found = model.predict(data.test_dataset.images)
    assert found.dtype == torch.long
    accuracy = (found == labels).float().mean().item()
    assert accuracy > 0.5
    assert runner.callback_metrics["accuracy"].item() <= 1.0
    quiet = trainer(1)
    assert quiet.validate(model, data, verbose=False) == [{"accuracy": pytest.approx(accuracy)}]
    assert torch.equal(torch.cat(quiet.predict(model, data)), found)
    assert model.discriminator_ema is not None
    model.discriminator_ema.load_state_dict(model.discriminator.state_dict())
    model.train()  # noise is off, and the mode is left as it was
    assert torch.equal(model.predict(data.test_dataset.images), model.predict(data.test_dataset.images, ema=False))
    assert model.discriminator.training
    assert model.predict(data.test_dataset.images[:0]).shape == (0,)
    with pytest.raises(ValueError, match=r"^batch_size=0; allowed: 1 or more$"):
        model.predict(data.test_dataset.images, batch_size=0)


def test_defaults_are_the_papers() -> None:
    model, mlp = SGAN(), SGAN((1, 28, 28), network="mlp")
    assert (model.lr, model.betas, model.latent_dim, model.g_steps, model.ema_decay) == (
        3e-4,
        (0.5, 0.999),
        100,
        1,
        0.9999,
    )
    assert (model.feature_distance, mlp.feature_distance, mlp.lr) == ("mean_absolute", "mean_squared", 3e-3)
    assert (model.real_target, model.historical_weight, model.unsupervised_weight) == (1.0, 0.0, 1.0)
    assert SGAN((1, 28, 28), network="mlp", lr=0.0).lr == 0.0
    assert not model.is_conditional
    latents = model.latents(50, lambda shape, distribution: torch.rand(shape) * 2 - 1)
    assert 0 <= latents.min() < 0.1
    assert 0.9 < latents.max() <= 1


@pytest.mark.parametrize(("network", "features"), [("conv", 192), ("mlp", 250)])
def test_the_features_that_are_matched(network: str, features: int) -> None:
    model = SGAN((1, 32, 32), network=network)
    logits, found = model._judge(torch.zeros(2, 1, 32, 32))
    assert (logits.shape, found.shape) == ((2, 10), (2, features))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "resnet"}, "network 'resnet'; allowed: conv, mlp"),
        ({"generator_norm": "layer"}, "generator_norm 'layer'; allowed: batch, virtual"),
        ({"generator_objective": "x"}, "generator_objective 'x'; allowed: feature_matching, minimax"),
        ({"feature_distance": "x"}, "feature_distance 'x'; allowed: mean_squared, mean_absolute, squared_norm"),
        (
            {"num_classes": None},
            "data without labels for SGAN, which learns to classify; allowed: images labelled with 2 or more classes",
        ),
        (
            {"num_classes": 1},
            "num_classes=1 for SGAN, which learns to classify; allowed: images labelled with 2 or more classes",
        ),
        ({"g_steps": 0}, "g_steps=0; allowed: 1 or more"),
        ({"real_target": 0.0}, "real_target=0.0; allowed: above 0, up to 1"),
        ({"real_target": 1.1}, "real_target=1.1; allowed: above 0, up to 1"),
        ({"unsupervised_weight": -1.0}, "unsupervised_weight=-1.0; allowed: 0 or more"),
        ({"historical_weight": -1.0}, "historical_weight=-1.0; allowed: 0 or more"),
        ({"unsupervised_weight": math.nan}, "unsupervised_weight=nan; allowed: 0 or more"),
        ({"historical_weight": math.nan}, "historical_weight=nan; allowed: 0 or more"),
        (
            {"image_shape": (1, 28, 28)},
            "images of 28x28; allowed: square, a power of two from 16 up (nearest: 16 or 32)",
        ),
    ],
)
def test_options_outside_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SGAN(**options)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "a batch without labels for SGAN, which learns to classify; allowed: 0 to 9, -1 = unlabelled"),
        (
            [-1, -1],
            "a batch without one labelled image for SGAN, which learns to classify; allowed: 0 to 9, -1 = unlabelled",
        ),
        ([0, 10], "labels from 0 to 10; allowed: 0 to 9, -1 = unlabelled"),
        ([-2, 3], "labels from -2 to 3; allowed: 0 to 9, -1 = unlabelled"),
    ],
)
def test_labels_it_cannot_learn_from(labels: list[int] | None, message: str) -> None:
    batch = {"images": torch.zeros(2, 1, 16, 16), **({} if labels is None else {"labels": torch.tensor(labels)})}
    loader = torch.utils.data.DataLoader([batch], batch_size=None)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        trainer(1).fit(SGAN((1, 16, 16), **MLP), loader)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 12], "labels from 0 to 12; allowed: 0 to 9, -1 = unlabelled"),
        (None, "a batch without labels for SGAN, which learns to classify; allowed: 0 to 9, -1 = unlabelled"),
    ],
)
def test_labels_of_later_batches_it_cannot_learn_from(labels: list[int] | None, message: str) -> None:
    images = torch.zeros(2, 1, 16, 16)
    later = {"images": images, **({} if labels is None else {"labels": torch.tensor(labels)})}
    hidden = {"images": images, "labels": torch.tensor([-1, -1])}  # is allowed after the first
    batches = [{"images": images, "labels": torch.tensor([0, -1])}, hidden, later]
    model = SGAN((1, 16, 16), **MLP)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        trainer(3).fit(model, torch.utils.data.DataLoader(batches, batch_size=None))
    assert model.iterations == 2


def test_images_without_labels_cannot_validate_it() -> None:
    loader = torch.utils.data.DataLoader([torch.zeros(2, 1, 16, 16)], batch_size=None)
    with pytest.raises(
        ValueError, match=r"^a batch without labels to validate SGAN with; allowed: a label an image, -1 = unlabelled$"
    ):
        trainer(1).validate(SGAN((1, 16, 16), **MLP), loader)


def test_a_frozen_discriminators_features_are_matched() -> None:
    model = SGAN((1, 16, 16), **{**MLP, "discriminator_channels": 64}, discriminator_lr=1e-12)
    data = few_labels(batch_size=100)
    fit(model, 1, data)
    model.eval()  # without noise
    batch = {"images": data.test_dataset.images[:200] / 127.5 - 1.0, "labels": data.test_dataset.labels[:200]}
    before = model.generator_loss(batch)["feature_matching"].item()
    fit(model, 60, data)
    model.eval()
    assert model.generator_loss(batch)["feature_matching"].item() < 0.5 * before
