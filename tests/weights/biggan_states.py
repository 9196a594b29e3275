"""States in the layouts of other code, written from their lists of names, for tests."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["biggan_pytorch", "biggan_pytorch_critic", "pretrained"]


def biggan_pytorch(ch: int = 2, classes: int = 7, chunk: int = 3, shared: int = 5, at: int = 3) -> dict[str, Tensor]:
    """BigGAN-PyTorch's generator at 128x128."""
    widths = [ch * factor for factor in (16, 16, 8, 4, 2, 1)]
    state = {"shared.weight": torch.randn(classes, shared)}
    _normed(state, "linear", (widths[0] * 16, chunk), bias=True)
    for i in range(5):
        inside, outside = widths[i], widths[i + 1]
        _normed(state, f"blocks.{i}.0.conv1", (outside, inside, 3, 3), bias=True)
        _normed(state, f"blocks.{i}.0.conv2", (outside, outside, 3, 3), bias=True)
        _normed(state, f"blocks.{i}.0.conv_sc", (outside, inside, 1, 1), bias=True)
        for name, width in (("bn1", inside), ("bn2", outside)):
            state[f"blocks.{i}.0.{name}.stored_mean"] = torch.randn(width)
            state[f"blocks.{i}.0.{name}.stored_var"] = torch.rand(width) + 0.5
            for part in ("gain", "bias"):
                _normed(state, f"blocks.{i}.0.{name}.{part}", (width, shared + chunk))
        if i == at:
            _attention(state, f"blocks.{i}.1", outside)
    state["output_layer.0.gain"] = torch.randn(ch)
    state["output_layer.0.bias"] = torch.randn(ch)
    state["output_layer.0.stored_mean"] = torch.randn(ch)
    state["output_layer.0.stored_var"] = torch.rand(ch) + 0.5
    _normed(state, "output_layer.2", (3, ch, 3, 3), bias=True)
    return state


def biggan_pytorch_critic(ch: int = 2, classes: int = 7) -> dict[str, Tensor]:
    """BigGAN-PyTorch's discriminator at 128x128."""
    widths = [3, *(ch * factor for factor in (1, 2, 4, 8, 16, 16))]
    state: dict[str, Tensor] = {}
    for i in range(6):
        inside, outside = widths[i], widths[i + 1]
        _normed(state, f"blocks.{i}.0.conv1", (outside, inside, 3, 3), bias=True)
        _normed(state, f"blocks.{i}.0.conv2", (outside, outside, 3, 3), bias=True)
        if i < 5:
            _normed(state, f"blocks.{i}.0.conv_sc", (outside, inside, 1, 1), bias=True)
        if i == 0:
            _attention(state, "blocks.0.1", outside)
    _normed(state, "linear", (1, widths[-1]), bias=True)
    _normed(state, "embed", (classes, widths[-1]))
    return state


def pretrained(ch: int = 8, classes: int = 7, latent: int = 4, embedding: int = 4) -> dict[str, Tensor]:
    """pytorch-pretrained-biggan's generator at 128x128; 506 tensors."""
    widths, condition = [ch * factor for factor in (16, 16, 8, 4, 2, 1)], latent + embedding
    state = {"embeddings.weight": torch.randn(embedding, classes)}
    _hooked(state, "generator.gen_z", (widths[0] * 16, condition), bias=True)
    for stage in range(5):
        for half in range(2):
            layer = 2 * stage + half + (stage == 4)
            inside, outside = widths[stage], widths[stage + half]
            narrow, name = inside // 4, f"generator.layers.{layer}"
            for k, width in enumerate((inside, narrow, narrow, narrow)):
                state[f"{name}.bn_{k}.running_means"] = torch.randn(51, width)
                state[f"{name}.bn_{k}.running_vars"] = torch.rand(51, width) + 0.5
                _hooked(state, f"{name}.bn_{k}.scale", (width, condition))
                _hooked(state, f"{name}.bn_{k}.offset", (width, condition))
            shapes = ((narrow, inside, 1, 1), (narrow, narrow, 3, 3), (narrow, narrow, 3, 3), (outside, narrow, 1, 1))
            for k, shape in enumerate(shapes):
                _hooked(state, f"{name}.conv_{k}", shape, bias=True)
    name, width = "generator.layers.8", widths[4]
    state[f"{name}.gamma"] = torch.randn(1)
    for part, shape in (("theta", (width // 8, width)), ("phi", (width // 8, width)), ("g", (width // 2, width))):
        _hooked(state, f"{name}.snconv1x1_{part}", (*shape, 1, 1))
    _hooked(state, f"{name}.snconv1x1_o_conv", (width, width // 2, 1, 1))
    state["generator.bn.weight"], state["generator.bn.bias"] = torch.randn(ch), torch.randn(ch)
    state["generator.bn.running_means"], state["generator.bn.running_vars"] = (
        torch.randn(51, ch),
        torch.rand(51, ch) + 0.5,
    )
    _hooked(state, "generator.conv_to_rgb", (ch, ch, 3, 3), bias=True)
    return state


def _normed(state: dict[str, Tensor], name: str, shape: tuple[int, ...], bias: bool = False) -> None:
    state[f"{name}.weight"] = torch.randn(shape)
    if bias:
        state[f"{name}.bias"] = torch.randn(shape[0])
    state[f"{name}.u0"], state[f"{name}.sv0"] = torch.randn(1, shape[0]), torch.rand(1)


def _attention(state: dict[str, Tensor], name: str, width: int) -> None:
    state[f"{name}.gamma"] = torch.randn(())
    narrow, half = max(width // 8, 1), max(width // 2, 1)
    for part, shape in (
        ("theta", (narrow, width)),
        ("phi", (narrow, width)),
        ("g", (half, width)),
        ("o", (width, half)),
    ):
        _normed(state, f"{name}.{part}", (*shape, 1, 1))


def _hooked(state: dict[str, Tensor], name: str, shape: tuple[int, ...], bias: bool = False) -> None:
    if bias:
        state[f"{name}.bias"] = torch.randn(shape[0])
    columns = torch.Size(shape[1:]).numel()
    state[f"{name}.weight_orig"] = torch.randn(shape)
    state[f"{name}.weight_u"], state[f"{name}.weight_v"] = torch.randn(shape[0]), torch.randn(columns)
