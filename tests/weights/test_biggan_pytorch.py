"""BigGAN-PyTorch's files: each tensor used once, the model read from the file, exported as it came; what does not fit says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_gans import BigGAN, BigGANDeep
from lightning_gans.layers.spectral_norm import SpectralNorm
from lightning_gans.weights.biggan_pytorch import DISCRIMINATOR, GENERATOR
from lightning_gans.weights.files import find_layout
from lightning_gans.weights.layout import export
from tests.weights.biggan_states import biggan_pytorch, biggan_pytorch_critic

State = dict[str, Tensor]


def built(state: State, path: Path) -> BigGAN:
    torch.save(state, path)
    model = BigGAN(**{"discriminator_channels": 2, "generator_channels": 2, **find_layout(state, path).options(state)})
    model.load_weights(path)
    return model


@pytest.mark.parametrize("make", [biggan_pytorch, biggan_pytorch_critic])
def test_every_tensor_is_used_once_and_exported_as_it_came(make: Callable[[], State], tmp_path: Path) -> None:
    state = make()
    layout = find_layout(state, "x")
    model = built(state, tmp_path / "x.pth")
    ours = model.players[layout.player].state_dict()
    again = export(ours, layout, state)
    assert again.keys() == state.keys()
    assert all(torch.equal(value, again[key]) and value.shape == again[key].shape for key, value in state.items())
    held = [name for name in ours if name.rpartition(".")[2] not in layout.absent]
    assert len(held) == len(state)
    if layout.player == "generator":
        assert model.generator_ema is not None
        assert all(torch.equal(ours[name], mean) for name, mean in model.generator_ema.state_dict().items())


def test_the_model_is_read_from_the_file() -> None:
    assert GENERATOR.options(biggan_pytorch()) == {
        **{"image_shape": (3, 128, 128), "num_classes": 7, "latent_dim": 18, "network": "hierarchical"},
        **{"embedding_dim": 5, "generator_channels": 2, "attention_size": 64, "release": "biggan_pytorch"},
    }
    assert DISCRIMINATOR.options(biggan_pytorch_critic(ch=3)) == {
        **{"image_shape": (3, 128, 128), "num_classes": 7, "discriminator_channels": 3},
        **{"discriminator_attention_size": 64, "release": "biggan_pytorch"},
    }


def test_power_iteration_steps_in_evaluation_without_keeping_the_vector(tmp_path: Path) -> None:
    """A layer's weight in the sheet's words: one iteration from u0, then the weight over the singular value."""
    state = biggan_pytorch()
    layer = built(state, tmp_path / "x.pth").eval().generator.blocks[2].conv1
    assert isinstance(layer, SpectralNorm)
    weight, u = state["blocks.2.0.conv1.weight"].flatten(1), state["blocks.2.0.conv1.u0"]
    right = torch.nn.functional.normalize(u @ weight)
    left = torch.nn.functional.normalize(right @ weight.t())
    value = (right @ weight.t() @ left.t()).squeeze()
    torch.testing.assert_close(layer.normalized_weight().flatten(1), weight / value, atol=1e-6, rtol=1e-5)
    assert torch.equal(layer.u, u[0])


def test_weights_of_another_model_or_size(tmp_path: Path) -> None:
    path, state = tmp_path / "G.pth", biggan_pytorch()
    torch.save(state, path)
    with pytest.raises(ValueError) as caught:
        BigGANDeep((3, 32, 32), generator_channels=4, discriminator_channels=4).load_weights(path)
    assert str(caught.value) == (f"'{path}' holds a BigGAN-PyTorch generator: weights of biggan, not of 'biggan_deep'")
    options = {**GENERATOR.options(state), "discriminator_channels": 2, "num_classes": 8}
    with pytest.raises(ValueError, match=r"^'shared.weight' of 7x5; this model's shared.weight has 8x5$"):
        BigGAN(**options).load_weights(path)
    state["extra"] = torch.ones(1)
    with pytest.raises(ValueError, match=r"^'extra' has no place in this model \(of 1 such tensors\)$"):
        built(state, path)
    del state["extra"], state["blocks.1.0.conv2.sv0"]
    with pytest.raises(ValueError, match=r"^no 'blocks.1.0.conv2.sv0', which a BigGAN-PyTorch generator has"):
        built(state, path)
