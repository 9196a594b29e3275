"""Batch norm with a table of statistics: read at a truncation, interpolated, stale once trained."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

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


class Reads(TorchDispatchMode):
    """Counts how often numbers of tensors are asked for, which waits for a GPU."""

    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def test_whether_tables_hold_is_not_asked_in_each_pass() -> None:
    network, features = nn.Sequential(filled(), filled()), torch.randn(2, 3, 4, 4)
    with Reads() as alone:
        wanted = network(features)
    assert alone.count == 2  # so they are counted
    with at_truncation(network, 1.0), Reads() as inside:
        assert torch.equal(network(features), wanted)
    assert inside.count == 0


def test_what_is_known_of_tables_is_forgotten() -> None:
    norm, features = filled(), torch.randn(8, 3, 4, 4)
    with at_truncation(norm, 0.5):
        table = norm(features)
        norm.train()(features)
        assert not torch.allclose(norm.eval()(features), table)  # trained inside
    norm.holds.fill_(True)
    with at_truncation(norm, 0.5):
        assert torch.equal(norm(features), table)
    norm.holds.fill_(False)
    assert not has_tables(norm)
    with at_truncation(norm, 0.5):
        assert not has_tables(norm)
