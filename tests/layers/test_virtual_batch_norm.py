"""Virtual batch norm: what each sample's statistics are made of."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lightning_gans.layers.virtual_batch_norm import VirtualBatchNorm


def slow(reference: torch.Tensor, sample: torch.Tensor, eps: float) -> torch.Tensor:
    """One sample (C, ..): its mean and mean square count 1 / (R + 1), those of the reference batch the rest."""
    share, result = 1.0 / (len(reference) + 1), torch.empty_like(sample)
    for channel in range(len(sample)):
        mean = share * sample[channel].mean() + (1 - share) * reference[:, channel].mean()
        square = share * sample[channel].square().mean() + (1 - share) * reference[:, channel].square().mean()
        result[channel] = (sample[channel] - mean) / (square - mean.square() + eps).sqrt()
    return result


@pytest.mark.parametrize("shape", [(4,), (4, 3, 2)])
def test_a_slow_reference(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    norm, features = VirtualBatchNorm(4, references=5), 2.0 * torch.randn(8, *shape) + 1.0
    outputs = norm(features)
    for sample, output in zip(features[5:], outputs[5:], strict=True):
        torch.testing.assert_close(output, slow(features[:5], sample, norm.eps), rtol=1e-4, atol=1e-5)
    own = F.batch_norm(features[:5], None, None, training=True)
    torch.testing.assert_close(outputs[:5], own, rtol=1e-4, atol=1e-5)


def test_a_sample_does_not_depend_on_the_others() -> None:
    torch.manual_seed(0)
    norm, reference, samples = VirtualBatchNorm(4, references=5), torch.randn(5, 4, 3, 3), torch.randn(6, 4, 3, 3)
    together = norm(torch.cat([reference, samples]))[5:]
    for index in range(6):
        alone = norm(torch.cat([reference, samples[index : index + 1]]))[5:]
        torch.testing.assert_close(alone[0], together[index])
    norm.eval()  # nor on the mode
    torch.testing.assert_close(norm(torch.cat([reference, samples]))[5:], together)


def test_gain_and_offset_and_far_means() -> None:
    torch.manual_seed(0)
    norm, features = VirtualBatchNorm(2, references=3), 1e4 + torch.randn(7, 2)
    plain = norm(features)
    assert torch.isfinite(plain).all()  # variances are not differences of large squares
    with torch.no_grad():
        norm.gain.fill_(2.0)
        norm.offset.fill_(-1.0)
    torch.testing.assert_close(norm(features), 2.0 * plain - 1.0)
    assert norm(features.bfloat16()).dtype == torch.bfloat16
