"""Facts of Mirza & Osindero 2014, and the contract for each of its networks."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_gans import CGAN
from lightning_gans.core.noise import draw
from lightning_gans.layers.maxout import Maxout
from tests.contract import Contract
from tests.training import fit


class TestMLP(Contract):
    def tiny(self, **options: Any) -> CGAN:
        sizes = {"latent_dim": 6, "generator_channels": 24, "discriminator_channels": 24}
        return CGAN(**{"image_shape": (1, 8, 8), "num_classes": 10, **sizes, **options})


class TestDCGAN(Contract):
    def tiny(self, **options: Any) -> CGAN:
        sizes = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}
        return CGAN(**{"image_shape": (1, 16, 16), "num_classes": 10, "network": "dcgan", **sizes, **options})


def test_layers_of_the_paper() -> None:
    model = CGAN()
    linear = [(m.in_features, m.out_features) for m in model.generator.modules() if isinstance(m, nn.Linear)]
    assert linear == [(100, 200), (10, 1000), (1200, 1200), (1200, 784)]
    maxout = [(m.linear.in_features, m.units, m.pieces) for m in model.discriminator.modules() if isinstance(m, Maxout)]
    assert maxout == [(784, 240, 5), (10, 50, 5), (290, 240, 4)]
    for network in (model.generator, model.discriminator):
        assert {m.p for m in network.modules() if isinstance(m, nn.Dropout)} == {0.5}


def test_noise_is_uniform_on_the_unit_hypercube() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = CGAN().latents(2000, lambda shape, kind: draw(shape, kind, generator))
    assert 0.0 <= latents.min() < 0.001
    assert 0.999 < latents.max() < 1.0
    assert latents.mean().item() == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_class_changes_images_and_logits(network: str) -> None:
    torch.manual_seed(0)
    model = CGAN((1, 16, 16), network=network, generator_channels=24, discriminator_channels=24).eval()
    latents = torch.rand(1, 100)
    images = [model(latents, torch.tensor([label])) for label in (3, 4)]
    assert not torch.allclose(*images)
    logits = [model.discriminate(images[0], torch.tensor([label])) for label in (3, 4)]
    assert not torch.allclose(*logits)


def test_fakes_are_judged_by_the_class_they_were_made_of() -> None:
    model = CGAN((1, 8, 8), generator_channels=24, discriminator_channels=24, num_classes=5)
    made, judged = [], []
    model.generator.register_forward_pre_hook(lambda _, inputs: made.append(inputs[1].tolist()))
    model.discriminator.register_forward_pre_hook(lambda _, inputs: judged.append(inputs[1].tolist()))
    labels = torch.tensor([0, 3, 1, 4])
    fit(model, 1, DataLoader(TensorDataset(torch.zeros(4, 1, 8, 8), labels), batch_size=4))
    wanted = labels.tolist()
    assert [sorted(labels) for labels in made] == [sorted(wanted)]
    assert all(labels == made[0] for labels in judged)  # real, fake, and the generator's turn
    assert len(judged) == 3


def test_rate_and_momentum_of_the_paper() -> None:
    model = CGAN((1, 8, 8), generator_channels=24, discriminator_channels=24)
    group = fit(model, 3).optimizers[0].param_groups[0]
    assert group["lr"] == pytest.approx(0.1 / 1.00004**2)
    assert group["momentum"] == pytest.approx(0.5 + 0.2 * 2 / 125_000)
    model.iterations = 10**7
    assert model.optimizer_settings("generator", {"initial_lr": 0.1})["lr"] == pytest.approx(1e-6)


def test_convolutions_are_trained_as_dcgan_is() -> None:
    sizes = {"generator_channels": 4, "discriminator_channels": 4}
    optimizers = fit(CGAN((1, 16, 16), network="dcgan", **sizes), 1).optimizers
    assert [type(optimizer) for optimizer in optimizers] == [torch.optim.Adam] * 2
    assert (optimizers[0].param_groups[0]["lr"], optimizers[0].param_groups[0]["betas"]) == (2e-4, (0.5, 0.999))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^network 'cnn'; allowed: mlp, dcgan$"):
        CGAN(network="cnn")
    message = r"^num_classes=None; allowed: 1 or more: CGAN needs data with labels$"
    with pytest.raises(ValueError, match=message):
        CGAN(num_classes=None)
    model = CGAN((1, 8, 8), generator_channels=24, discriminator_channels=24, num_classes=5)
    with pytest.raises(ValueError, match=r"^labels from \d to 9; allowed: a label an image, 0 to 4$"):
        fit(model, 1)
    with pytest.raises(ValueError, match="without labels"):
        fit(model, 1, DataLoader(TensorDataset(torch.zeros(8, 1, 8, 8)), batch_size=4))
