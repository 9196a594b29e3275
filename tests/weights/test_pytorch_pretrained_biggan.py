"""The same weights in pytorch-pretrained-biggan and here give the same pictures; every tensor is used once and comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_gans import BigGANDeep
from lightning_gans.weights.layout import convert, export
from lightning_gans.weights.pytorch_pretrained_biggan import GENERATOR
from tests.weights.biggan_states import pretrained

SMALL: dict[str, Any] = {"discriminator_channels": 4, "init": "normal", "ema_decay": None}


@pytest.fixture
def package() -> Any:
    return pytest.importorskip(
        "pytorch_pretrained_biggan", reason="pip install pytorch-pretrained-biggan", exc_type=ImportError
    )


def test_every_tensor_is_used_once_and_exported_as_it_came(tmp_path: Path) -> None:
    state = pretrained()
    assert len(state) == 506
    options = GENERATOR.options(state)
    assert options == {
        **{"image_shape": (3, 128, 128), "num_classes": 7, "latent_dim": 4, "embedding_dim": 4},
        **{"generator_channels": 8, "image_channels": 8, "attention_size": 64},
        **{"release": "pytorch_pretrained_biggan", "truncation_trick": "bounded_factor"},
    }
    path = tmp_path / "pytorch_model.bin"
    torch.save(state, path)
    model = BigGANDeep(**SMALL, **options)
    model.load_weights(path)
    ours = model.generator.state_dict()
    again = export(ours, GENERATOR, state)
    assert again.keys() == state.keys()
    assert all(torch.equal(value, again[key]) and value.shape == again[key].shape for key, value in state.items())
    assert len([name for name in ours if name.rpartition(".")[2] not in GENERATOR.absent]) == 506


def test_tables_are_read_at_the_truncation_and_nothing_is_estimated() -> None:
    torch.manual_seed(0)
    state = pretrained()
    model = BigGANDeep(**SMALL, **GENERATOR.options(state))
    model.generator.load_state_dict(convert(state, GENERATOR, model.generator.state_dict()))
    latents, labels = model.sample_latents(range(2), 0, 0.4), torch.tensor([1, 2])
    cut, whole = (model.render(latents, labels, truncation=t) for t in (0.4, 1.0))
    assert not torch.allclose(cut, whole, atol=1e-3)
    assert model._sampler is None
    torch.testing.assert_close(model.generate(2, seed=0, labels=[1, 2], truncation=0.4), cut)


def theirs(package: Any, config: Any, passes: int = 12) -> nn.Module:
    """Their generator with plausible weights: the constructor leaves the last norm unset, singular vectors far from the true ones
    and all statistics at 0 and 1."""
    torch.manual_seed(0)
    model: nn.Module = package.BigGAN(config)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, package.model.BigGANBatchNorm):
                steps = torch.linspace(0.5, 1.5, len(module.running_means))[:, None]
                module.running_means.copy_(0.1 * steps * torch.randn(module.running_means.shape[1]))
                module.running_vars.copy_(steps * (0.5 + torch.rand(module.running_vars.shape[1])))
            elif isinstance(module, package.model.SelfAttn):
                module.gamma.fill_(0.5)
        model.generator.bn.weight.uniform_(0.2, 0.6)
        model.generator.bn.bias.normal_(0.0, 0.2)
        latents, classes = torch.randn(2, config.z_dim), torch.eye(config.num_classes)[:2]
        for _ in range(passes):
            model.train()(latents, classes, 1.0)
    return model.eval()


def pictures(package: Any, config: Any) -> list[tuple[Tensor, Tensor]]:
    """Both implementations' pictures at truncation 0.4 and 1."""
    reference = theirs(package, config)
    state = reference.state_dict()
    ours = BigGANDeep(**SMALL, **GENERATOR.options(state))
    ours.generator.load_state_dict(convert(state, GENERATOR, ours.generator.state_dict()))
    labels = torch.tensor([3, config.num_classes - 1])
    pairs = []
    for truncation in (0.4, 1.0):
        latents = ours.sample_latents(range(2), 7, truncation)
        with torch.no_grad():
            expected = reference(latents, nn.functional.one_hot(labels, config.num_classes).float(), truncation)
        pairs.append((expected, ours.render(latents, labels, truncation=truncation)))
    return pairs


def check(pairs: list[tuple[Tensor, Tensor]]) -> None:
    for expected, found in pairs:
        assert expected.shape == found.shape == (2, 3, 128, 128)
        assert torch.isfinite(expected).all()
        assert expected.flatten(1).std(dim=1).min() > 0.02  # not constant
        assert (expected.abs() > 0.99).float().mean() < 0.05  # not saturated
        assert (expected[0] - expected[1]).abs().max() > 0.05
        difference = (expected - found).abs().max().item()
        assert difference < 1e-4, difference
    assert (pairs[0][0] - pairs[1][0]).abs().max() > 0.05  # truncation changes the picture


def test_equal_pictures_at_a_small_width(package: Any) -> None:
    check(pictures(package, package.BigGANConfig(z_dim=16, class_embed_dim=16, channel_width=8, num_classes=10)))


@pytest.mark.slow
def test_equal_pictures_at_full_width(package: Any) -> None:
    check(pictures(package, package.BigGANConfig()))
