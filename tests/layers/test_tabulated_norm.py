"""Batch norm with a table of statistics: read at a truncation, interpolated, stale once trained."""

import torch
import torch.nn.functional as F

from lightning_gans.layers.norms import standing_statistics
from lightning_gans.layers.tabulated_norm import TabulatedBatchNorm, at_truncation, has_tables


def filled() -> TabulatedBatchNorm:
    torch.manual_seed(0)
    norm = TabulatedBatchNorm(3, rows=6, affine=False, eps=1e-4).eval()
    norm.means.normal_()
    norm.variances.uniform_(0.5, 2.0)
    return norm


def test_rows_and_what_lies_between() -> None:
    norm, features = filled(), torch.randn(2, 3, 4, 4)
    for truncation, share in ((0.0, (1, 0, 0)), (0.2, (0, 1, 0)), (0.25, (0, 0.75, 0.25))):
        mean, variance = (torch.tensor(share, dtype=torch.float32) @ t[:3] for t in (norm.means, norm.variances))
        with at_truncation(norm, truncation):
            torch.testing.assert_close(norm(features), F.batch_norm(features, mean, variance, eps=1e-4))
    expected = F.batch_norm(features, norm.means[5], norm.variances[5], eps=1e-4)
    torch.testing.assert_close(norm(features), expected)  # 1 outside


def test_training_makes_the_table_stale() -> None:
    norm, features = filled(), torch.randn(8, 3, 4, 4)
    before = norm(features)
    assert has_tables(norm)
    norm.train()(features)
    norm.eval()
    assert not has_tables(norm)
    torch.testing.assert_close(norm(features), F.batch_norm(features, norm.running_mean, norm.running_var, eps=1e-4))
    assert not torch.allclose(norm(features), before)
    norm.holds.fill_(True)
    torch.testing.assert_close(norm(features), before)


def test_re_estimated_statistics_replace_the_table() -> None:
    norm, features = filled(), torch.randn(8, 3, 4, 4)
    with standing_statistics(norm):
        norm(features)
    torch.testing.assert_close(norm.running_mean, features.mean(dim=(0, 2, 3)))
    assert not has_tables(norm)
