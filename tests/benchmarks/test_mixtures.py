"""What the benchmark of mixtures says of its models."""

import argparse
import importlib

import pytest

OPTIONS = argparse.Namespace(batch=4, iterations=1, seconds=0.0, units=4, lr=1e-3)


@pytest.mark.parametrize("name", ["gan", "wgan_gp", "egan"])
def test_noise_is_as_told(name: str) -> None:
    mixtures = importlib.import_module("mixtures")
    module = mixtures.MODELS[name][0](image_shape=(1, 1, 2), **mixtures.settings(name, OPTIONS)["model"])
    latents = module.sample_latents(range(2500), seed=0)
    assert latents.shape == (2500, 2)
    lowest, highest, deviation = latents.min().item(), latents.max().item(), latents.std().item()
    if name == "wgan_gp":
        assert mixtures.NOISE[name] == "N(0, 1)"
        assert deviation == pytest.approx(1.0, abs=0.05)
        assert highest > 2.5
    else:
        bound = {"gan": 1.73, "egan": 1.0}[name]
        assert mixtures.NOISE[name] == f"U[{-bound:g}, {bound:g}]"
        assert (lowest, highest) == (pytest.approx(-bound, rel=0.01), pytest.approx(bound, rel=0.01))
