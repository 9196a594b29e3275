"""The rerun of "Are GANs Created Equal?": what its models are fed."""

import argparse
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
    monkeypatch.setattr(vae, "log", lambda *_: None)  # no Trainer listens
    images = torch.arange(4 * 64, dtype=torch.uint8).view(4, 1, 8, 8)
    loss = vae.training_step({"images": images, "labels": torch.arange(4)}, 0)
    torch.testing.assert_close(targets[0], images.float() / 255.0)
    assert loss.item() > 0.0


def options(**given: Any) -> argparse.Namespace:
    defaults = {"settings": "short", "channels": 2, "iterations": 18740}
    return argparse.Namespace(**{**defaults, **given})


@pytest.mark.parametrize("settings", ["short", "study"])
def test_formulations_have_equal_turns_of_the_critic(created_equal: Any, settings: str) -> None:
    """The study counts steps of the critic, which take the data; its generators act every d_steps of them."""
    for name in [*created_equal.FORMULATIONS, "vae"]:
        model = created_equal.build(name, options(settings=settings), (1, 8, 8))
        several = settings == "study" and name in ("wgan", "wgan_gp", "began")
        assert created_equal.trainer_steps(model, 18740) == (3748 if several else 18740)
        assert getattr(model, "parts", 1) == (5 if several else 1)
