"""Truncated noise: numbers outside a threshold are drawn anew, whatever share of them that is."""

import pytest
import torch

from lightning_gans.core.noise import below, draw


@pytest.mark.parametrize("threshold", [3.0, 0.7, 0.002])
def test_below(threshold: float) -> None:
    def source(shape: tuple[int, ...], distribution: str) -> torch.Tensor:
        return draw(shape, distribution, generator)

    generator = torch.Generator().manual_seed(1)
    whole = source((50, 80), "normal")
    generator.manual_seed(1)
    cut = below(threshold, source)((50, 80), "normal")
    assert cut.shape == whole.shape
    assert cut.abs().max() < threshold
    kept = whole.abs() < threshold
    assert torch.equal(cut[kept], whole[kept])
    # as many lie below half the threshold as N(0, 1) has there
    half, all_ = (torch.erf(torch.tensor(t / 2**0.5)) for t in (threshold / 2, threshold))
    assert (cut.abs() < threshold / 2).float().mean().item() == pytest.approx((half / all_).item(), abs=0.03)
    assert below(threshold, source)((3000,), "uniform").abs().max() > 0.9  # only normal numbers have tails
