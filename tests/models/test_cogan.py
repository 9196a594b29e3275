"""Facts of Liu and Tuzel 2016, and the contract for each of its networks."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from datamodules import DigitDomains, Digits
from lightning_gans import CoGAN
from tests.contract import Contract
from tests.training import fit

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}


class Domains(Digits):
    """Digits, and negatives of other digits."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return {"a": batch["images"], "b": 255 - batch["images"].roll(1, dims=0)} if "images" in batch else batch


class TestDigits(Contract):
    def tiny(self, **options: Any) -> CoGAN:
        return CoGAN(**SMALL, **options)

    def data(self) -> Domains:
        return Domains(size=28, batch_size=8)


class TestDigitsCaffe(TestDigits):
    def tiny(self, **options: Any) -> CoGAN:
        return CoGAN(network="digits_caffe", **SMALL, **options)


class TestFaces(Contract):
    def tiny(self, **options: Any) -> CoGAN:
        return CoGAN((3, 16, 16), **SMALL, **{"lr": 1e-3, **options})

    def data(self) -> Domains:
        return Domains(size=16, channels=3, batch_size=8)


class TestAdaptation(Contract):
    def tiny(self, **options: Any) -> CoGAN:
        return CoGAN(num_classes=10, **SMALL, **options)

    def data(self) -> DigitDomains:
        return DigitDomains(size=28, batch_size=8, labels=True)


def batch(n: int = 4) -> dict[str, Tensor]:
    return {domain: torch.rand(n, 1, 28, 28) * 2 - 1 for domain in "ab"}


def gradients(network: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    named = dict(network.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), retain_graph=True, allow_unused=True)
    return {
        name: gradient for name, gradient in zip(named, found, strict=True) if gradient is not None and gradient.any()
    }


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_both_domains_gradients_meet_in_one_set_of_weights(player: str) -> None:
    model = CoGAN(**SMALL)
    model._moving = player
    torch.manual_seed(0)
    terms = model.generator_loss(batch()) if player == "generator" else model.discriminator_loss(batch())
    a, b = (sum(value for name, value in terms.items() if name.endswith(f"_{domain}")) for domain in "ab")
    network, own = model.players[player], "heads" if player == "generator" else "firsts"
    of_a, of_b, of_both = (gradients(network, loss) for loss in (a, b, a + b))
    private = {domain: {name for name in of_both if name.startswith(f"{own}.{i}.")} for i, domain in enumerate("ab")}
    shared = of_both.keys() - private["a"] - private["b"]
    assert len(private["a"]) == len(private["b"]) == 2
    assert of_a.keys() == shared | private["a"]  # nothing of domain b moves
    assert of_b.keys() == shared | private["b"]
    for name in shared:
        torch.testing.assert_close(of_a[name] + of_b[name], of_both[name], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("network", ["digits", "digits_caffe", "faces"])
def test_all_but_one_layer_is_shared(network: str) -> None:
    model = CoGAN((1, 16, 16) if network == "faces" else (1, 28, 28), network=network, **SMALL)
    for player, own, trunk in (("generator", "heads", "trunk"), ("discriminator", "firsts", "tail")):
        network_of = model.players[player]
        assert {name.split(".")[0] for name, _ in network_of.named_parameters()} == {own, trunk}
        layers = [[p.data_ptr() for p in part.parameters()] for part in network_of.get_submodule(own).children()]
        assert len(layers) == 2
        assert not set(layers[0]) & set(layers[1])
        convolutions = [
            m for m in network_of.get_submodule(f"{own}.0").modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))
        ]
        assert len(convolutions) == 1  # the last of a generator, the first of a critic


def test_a_pair_comes_of_one_latent_and_only_the_last_layer_tells_it_apart() -> None:
    model = CoGAN(**SMALL).eval()
    latents = torch.randn(3, 6)
    pairs = model(latents)
    assert pairs.shape == (3, 2, 1, 28, 28)
    assert not torch.allclose(pairs[:, 0], pairs[:, 1])
    model.generator.heads[1].load_state_dict(model.generator.heads[0].state_dict())
    pairs = model(latents)
    assert torch.equal(pairs[:, 0], pairs[:, 1])


def test_a_critic_judges_each_domain_by_its_own_first_layer() -> None:
    model = CoGAN(**SMALL)
    pairs = torch.rand(3, 2, 1, 28, 28)
    logits = model.discriminate(pairs)
    assert logits.shape == (3, 2)
    torch.testing.assert_close(model.discriminate(pairs[:, 0]), logits[:, 0])
    changed = pairs.clone()
    changed[1, 1] = -1.0
    same = model.discriminate(changed) == logits
    assert same.tolist() == [[True, True], [True, False], [True, True]]
    with torch.no_grad():
        outputs = model.discriminator.tail(model.discriminator.firsts[1](pairs[:, 1])).flatten(1)  # (N, 2)
        real = nn.functional.cross_entropy(outputs, torch.ones(3, dtype=torch.long))
        torch.testing.assert_close(real, nn.functional.softplus(-logits[:, 1]).mean())


def test_losses_are_added_over_both_domains() -> None:
    model = CoGAN(**SMALL)
    for parameter in model.discriminator.tail[-1].parameters():
        nn.init.zeros_(parameter)
    terms = model.discriminator_loss(batch())
    assert list(terms) == ["real_a", "fake_a", "real_b", "fake_b"]
    assert sum(terms.values()).item() == pytest.approx(4 * math.log(2))
    assert sum(model.generator_loss(batch()).values()).item() == pytest.approx(2 * math.log(2))
    assert model.records["generator/real_logits"].shape == (8,)


def test_domains_are_not_paired_by_training() -> None:
    model = CoGAN(**SMALL)
    model._moving = "generator"
    given = batch()
    torch.manual_seed(0)
    model._shared = model._draw_fakes(given)
    model._moving = "discriminator"
    terms = model.discriminator_loss(given)
    other = model.discriminator_loss({"a": given["a"], "b": given["b"].roll(1, dims=0)})
    assert all(value.item() == pytest.approx(other[name].item(), rel=1e-5) for name, value in terms.items())


@pytest.mark.parametrize("network", ["digits", "digits_caffe", "faces"])
def test_classes_are_read_from_the_features_both_domains_share(network: str) -> None:
    side = 16 if network == "faces" else 28
    model = CoGAN((1, side, side), num_classes=10, network=network, **SMALL).eval()
    assert model.classifier_weight == (0.5 if network == "digits_caffe" else 10.0)
    pairs = torch.rand(3, 2, 1, side, side) * 2 - 1
    critic: Any = model.discriminator
    logits = critic(pairs)
    joined = critic(pairs, features=True)
    torch.testing.assert_close(joined[:, :, 0], logits)
    for domain in range(2):
        torch.testing.assert_close(
            critic.classify(pairs[:, domain], domain), critic.classifier(joined[:, domain, 1:]), atol=1e-5, rtol=1e-4
        )


def test_terms_of_adaptation_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CoGAN(num_classes=10, classifier_weight=3.0, feature_weight=0.5, **SMALL)
    given = batch() | {"labels": torch.tensor([0, 3, 9, 3])}
    critic: Any = model.discriminator
    fakes = model.fakes(given)
    monkeypatch.setattr(model, "fakes", lambda _: fakes)
    terms = model.discriminator_loss(given)
    assert list(terms) == ["real_a", "fake_a", "real_b", "fake_b", "labelled", "features"]
    logits = critic.classify(given["a"]).detach()
    by_hand = -logits.log_softmax(dim=1)[range(4), [0, 3, 9, 3]].mean()
    assert terms["labelled"].item() == pytest.approx(3 * by_hand.item(), rel=1e-5)
    with torch.no_grad():
        drawn = critic(fakes.images, features=True)[:, :, 1:]
    distance = ((drawn[:, 0] - drawn[:, 1]) ** 2).sum() / 4  # over features, averaged over the 4 pairs
    assert terms["features"].item() == pytest.approx(0.5 * distance.item(), rel=1e-4)
    plain = CoGAN(**SMALL)
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if "classifier" not in k})
    assert list(plain.discriminator_loss(batch())) == ["real_a", "fake_a", "real_b", "fake_b"]
    with torch.no_grad():
        critic.firsts[1].load_state_dict(critic.firsts[0].state_dict())
        alike = torch.rand(4, 1, 1, 28, 28).expand(4, 2, 1, 28, 28)
        a, b = critic(alike, features=True)[:, :, 1:].unbind(dim=1)
    torch.testing.assert_close(a, b)  # a pair that both first layers see alike has no distance


def test_it_learns_classes() -> None:
    torch.manual_seed(0)
    model = CoGAN(num_classes=10, latent_dim=20, generator_channels=4, discriminator_channels=8, lr=1e-3)
    data = DigitDomains(size=28, batch_size=32, labels=True)
    runner = fit(model, 60, data)
    held_out = data.test_dataset.__getitems__(list(range(397)))
    shares = [(model.classes_of(held_out[x], domain=x) == held_out["labels"]).float().mean().item() for x in "ab"]
    assert shares[0] > 0.7  # the other domain takes a full run
    torch.testing.assert_close(model.predict(held_out["b"]), model.classes_of(held_out["b"]))
    (found,) = runner.validate(model, data, verbose=False)
    assert [found["accuracy_a"], found["accuracy"]] == pytest.approx(shares)
    batches = runner.predict(model, data)
    assert batches is not None
    torch.testing.assert_close(torch.cat(batches), model.predict(held_out["b"]))  # type: ignore[arg-type]
    assert model.predict(held_out["b"][:0]).shape == (0,)


def test_generated_pairs() -> None:
    model = CoGAN(**SMALL)
    fit(model, 2, Domains(size=28, batch_size=8))
    pairs = model.generate_pairs(5, seed=3)
    assert pairs.shape == (5, 2, 1, 28, 28)
    assert -1.0 <= pairs.min() < pairs.max() <= 1.0
    torch.testing.assert_close(pairs[:, 0], model.generate(5, seed=3))
    torch.testing.assert_close(model.generate_pairs(3, seed=3, batch_size=2), pairs[:3], atol=1e-5, rtol=0)
    assert not torch.allclose(model.generate_pairs(5, seed=4), pairs)
    assert model.generate_pairs(0).shape == (0, 2, 1, 28, 28)
    side_by_side = model.pictures(2, seed=3)
    torch.testing.assert_close(side_by_side, torch.cat([pairs[:2, 0], pairs[:2, 1]], dim=3))
    with pytest.raises(ValueError, match=r"^n=-1; allowed: 0 or more$"):
        model.generate_pairs(-1)
    with pytest.raises(ValueError, match=r"^batch_size=0; allowed: 1 or more$"):
        model.generate_pairs(1, batch_size=0)
    with pytest.raises(ValueError, match=r"^truncation=nan; allowed: more than 0, 1 = none$"):
        model.generate_pairs(1, truncation=float("nan"))


def test_how_weights_start() -> None:
    model = CoGAN()
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            fans = (module.in_channels + module.out_channels) * math.prod(module.kernel_size)
            assert module.weight.abs().max().item() == pytest.approx(math.sqrt(12 / fans), rel=0.02)
            assert module.bias.unique().tolist() == [pytest.approx(0.1)]
        elif isinstance(module, nn.BatchNorm2d):
            assert not module.affine
    assert sum(isinstance(module, nn.Dropout) for module in model.modules()) == 0
    caffe = CoGAN(network="digits_caffe", generator_channels=8, discriminator_channels=8)
    assert [module.p for module in caffe.modules() if isinstance(module, nn.Dropout)] == [0.5]
    assert not any(
        module.bias.any()
        for module in caffe.modules()
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))
    )


def test_faces_dropout_and_kernels() -> None:
    critic = CoGAN((3, 128, 128), generator_channels=1, discriminator_channels=1).discriminator
    assert [module.p for module in critic.modules() if isinstance(module, nn.Dropout)] == [0.1, 0.3, 0.3, 0.5, 0.5]
    kernels = [module.kernel_size[0] for module in critic.modules() if isinstance(module, nn.Conv2d)]
    assert kernels == [5, 5, 5, 5, 3, 3, 3]  # two first layers


@pytest.mark.parametrize("side", [16, 32, 64, 256])
def test_any_power_of_two(side: int) -> None:
    model = CoGAN((2, side, side), latent_dim=5, generator_channels=1, discriminator_channels=1)
    pairs = model(torch.randn(2, 5))
    assert pairs.shape == (2, 2, 2, side, side)
    assert model.discriminate(pairs).shape == (2, 2)


def test_defaults_are_the_pytorch_releases() -> None:
    model = CoGAN()
    assert (model.image_shape, model.latent_dim, model.latent_distribution) == ((1, 28, 28), 100, "normal")
    assert (model.lr, model.betas, model.weight_decay, model.d_steps) == (2e-4, (0.5, 0.999), 5e-4, 1)
    assert CoGAN(network="digits_caffe").latent_distribution == "uniform"
    optimizers = fit(CoGAN(**SMALL), 1, Domains(size=28, batch_size=8)).optimizers
    assert [optimizer.param_groups[0]["weight_decay"] for optimizer in optimizers] == [5e-4, 5e-4]


@pytest.mark.parametrize(
    ("options", "decay"),
    [
        ({}, 5e-4),
        ({"network": "digits_caffe"}, 5e-4),
        ({"image_shape": (3, 16, 16)}, 1e-4),  # the Caffe code's faces
        ({"image_shape": (3, 28, 28), "weight_decay": 0.0}, 0.0),
        ({"image_shape": (3, 16, 16), "weight_decay": 2e-3}, 2e-3),
    ],
)
def test_the_networks_weight_decay(options: dict[str, Any], decay: float) -> None:
    model = CoGAN(**SMALL, **options)
    assert model.weight_decay == decay
    channels, side, _ = model.image_shape
    optimizers = fit(model, 1, Domains(size=side, channels=channels, batch_size=8)).optimizers
    assert [optimizer.param_groups[0]["weight_decay"] for optimizer in optimizers] == [decay, decay]


def test_batches_it_cannot_use() -> None:
    model = CoGAN(**SMALL)
    a = torch.rand(4, 1, 28, 28)
    for given, message in (
        ({"images": a}, r"a batch of images; allowed: a and b, images of two domains \(--data digit_domains\)"),
        (
            {"a": a, "b": torch.rand(4, 3, 28, 28)},
            r"images of 1x28x28 \(a\) and 3x28x28 \(b\); allowed: both of 1x28x28, which this model was built for \(image_shape\)",
        ),
        ({"a": a, "b": a[:3]}, r"4 images of a and 3 of b; allowed: as many of both in a batch"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            model.check_batch(given)
    adapting = CoGAN(num_classes=10, **SMALL)
    allowed = r"; allowed: a label an image of domain a, 0 to 9 \(--data\.labels true\)$"
    with pytest.raises(ValueError, match=r"^a batch without labels for a CoGAN that learns to classify" + allowed):
        adapting.check_batch({"a": a, "b": a})
    with pytest.raises(ValueError, match=r"^labels from 0 to 10" + allowed):
        adapting.check_batch({"a": a, "b": a, "labels": torch.tensor([0, 1, 10, 2])})
    with pytest.raises(ValueError, match=r"^images of 1x28x28; this model was built for 1x16x16 \(image_shape\)$"):
        fit(CoGAN((1, 16, 16), **SMALL), 1, Digits(size=28, batch_size=8))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^num_classes=1; allowed: None, or 2 or more$"):
        CoGAN(num_classes=1)
    for name in ("classifier_weight", "feature_weight", "weight_decay"):
        for value in (-1, math.nan):
            with pytest.raises(ValueError, match=rf"^{name}={value}; allowed: 0 or more$"):
                CoGAN(num_classes=10, **{name: value})
    with pytest.raises(ValueError, match=r"predict of a CoGAN that was built without classes \(num_classes\)$"):
        CoGAN(**SMALL).predict(torch.zeros(1, 1, 28, 28))
    with pytest.raises(ValueError, match=r"^network 'mnist'; allowed: digits, digits_caffe, faces$"):
        CoGAN(network="mnist")
    with pytest.raises(ValueError, match=r"^images of 32x32; network 'digits' allows only 28x28 \(--data\.size 28\)$"):
        CoGAN((1, 32, 32), network="digits")
    with pytest.raises(ValueError, match=r"^images of 48x48; allowed: square"):
        CoGAN((1, 48, 48))
