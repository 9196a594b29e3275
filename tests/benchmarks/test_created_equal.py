"""The rerun of "Are GANs Created Equal?": what its models are fed."""

import importlib
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor


@pytest.fixture
def created_equal() -> Any:
    return importlib.import_module("created_equal")


def test_vae_learns_pixels_of_a_data_module(created_equal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data modules yield bytes; cross entropy takes pixels in [0, 1], and has no lower bound beyond them."""
    targets: list[Tensor] = []
    entropy = F.binary_cross_entropy_with_logits

    def watched(logits: Tensor, pixels: Tensor, **options: Any) -> Tensor:
        targets.append(pixels)
        return entropy(logits, pixels, **options)

    monkeypatch.setattr(F, "binary_cross_entropy_with_logits", watched)
    vae = created_equal.VAE((1, 8, 8), latent_dim=4, channels=2, lr=1e-3)
    images = torch.arange(4 * 64, dtype=torch.uint8).view(4, 1, 8, 8)
    loss = vae.training_step({"images": images, "labels": torch.arange(4)}, 0)
    torch.testing.assert_close(targets[0], images.float() / 255.0)
    assert loss.item() > 0.0
