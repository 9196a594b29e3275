"""A network of the user's as features."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_gans.metrics.features import ModuleFeatures, fingerprint


class Returns(nn.Module):
    """Gives back what a function makes of its input."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Any:
        return self.function(images)


@pytest.fixture
def images() -> Tensor:
    return torch.randint(0, 256, (5, 3, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_images_are_between_minus_one_and_one() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    features = ModuleFeatures(nn.Flatten(), "mine")(images).features
    torch.testing.assert_close(features, torch.tensor([[-1.0], [1.0]]))


def test_maps_are_averaged_over_space(images: Tensor) -> None:
    features, logits = ModuleFeatures(nn.Identity(), "mine")(images)
    torch.testing.assert_close(features, (images.float() / 127.5 - 1).mean(dim=(2, 3)))
    assert logits is None


def test_features_and_logits(images: Tensor) -> None:
    extractor = ModuleFeatures(Returns(lambda x: (x.flatten(1), x.flatten(1)[:, :4])), "mine")
    assert (extractor.dim, extractor.num_classes) == (0, None)
    assert extractor.describe() == f"mine {extractor.fingerprint}"
    features, logits = extractor(images)
    assert features.shape == (5, 144)
    assert logits is not None
    assert logits.shape == (5, 4)
    assert (extractor.dim, extractor.num_classes) == (144, 4)
    assert extractor.describe() == f"mine {extractor.fingerprint} (144 features)"


def test_preprocess(images: Tensor) -> None:
    extractor = ModuleFeatures(nn.Flatten(), "mine", preprocess=lambda x: x.mean(dim=1, keepdim=True))
    assert extractor(images).features.shape == (5, 48)
    assert extractor.resize((3, 8, 6)) == "preprocess of mine"
    assert ModuleFeatures(nn.Flatten(), "mine").resize((3, 8, 6)) == "none"


def test_frozen_in_evaluation_mode_and_32_bit(images: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    extractor = ModuleFeatures(net, "mine").train()
    assert not net.training
    before = fingerprint(net)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = extractor(images).features
    plain = extractor(images).features
    assert plain.dtype == mixed.dtype == torch.float32
    assert torch.equal(plain, mixed)
    assert not plain.requires_grad
    assert extractor.fingerprint == before == fingerprint(net)
    assert re.fullmatch(r"[0-9a-f]{8}", before)


def test_fingerprint_is_of_the_weights() -> None:
    net = nn.Linear(3, 2).double()
    before = fingerprint(net)
    assert fingerprint(nn.ModuleDict({"other": net})["other"]) == before
    assert fingerprint(net.bfloat16()) != before
    with torch.no_grad():
        net.bias[0] += 1.0
    assert fingerprint(net) != before


@pytest.mark.parametrize("name", ["", "domain", "Mine", "my-net", "mine\n"])
def test_names(name: str) -> None:
    message = f"name {name!r}; allowed: lower-case letters, digits and _, but not 'domain'"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ModuleFeatures(nn.Identity(), name)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 8, 8), "images are float32; allowed: uint8, which is ((x + 1) * 127.5).round() of [-1, 1]"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "images of shape (3, 8, 8); allowed: (N, C, H, W)"),
    ],
)
def test_other_images_are_refused(images: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ModuleFeatures(nn.Identity(), "mine")(images)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: [x], "mine returns list as features; allowed: a tensor (N, D) or (N, D, H, W)"),
        (
            lambda x: x.flatten(2),
            "mine returns features of shape (5, 3, 48); allowed: (N, D) or (N, D, H, W) with N = 5",
        ),
        (
            lambda x: x.flatten(1)[:4],
            "mine returns features of shape (4, 144); allowed: (N, D) or (N, D, H, W) with N = 5",
        ),
        (lambda x: (x, x), "mine returns logits of shape (5, 3, 8, 6); allowed: (N, K) with N = 5"),
        (
            lambda x: x.flatten(1).long(),
            "mine returns features of torch.int64; allowed: floating point (N, D)",
        ),
    ],
)
def test_other_outputs_are_refused(images: Tensor, function: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ModuleFeatures(Returns(function), "mine")(images)
