"""Norms by name, conditional norms, standing statistics."""

import pytest
import torch
from torch import nn

from lightning_gans.layers.conditional_norm import ConditionalBatchNorm, class_norm, normalize, vector_norm
from lightning_gans.layers.cross_replica_norm import CrossReplicaBatchNorm
from lightning_gans.layers.norms import NORMS, make_norm, normalizers, standing_statistics
from lightning_gans.layers.spectral_norm import SpectralNorm, spectral_norm

AXES = {"batch": (0, 2, 3), "cross_replica": (0, 2, 3), "layer": (1, 2, 3), "instance": (2, 3)}


@pytest.mark.parametrize("kind", AXES)
def test_what_has_mean_0_and_variance_1(kind: str) -> None:
    maps = make_norm(kind, 6)(3.0 + 2.0 * torch.randn(4, 6, 5, 5))
    variance, mean = torch.var_mean(maps, dim=AXES[kind], correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(variance, torch.ones_like(variance), atol=1e-3, rtol=0)


def test_names() -> None:
    assert set(AXES) | {"group", "none"} == set(NORMS)
    group = make_norm("group", 48)
    assert isinstance(group, nn.GroupNorm)
    assert group.num_groups == 24
    groups = {channels: make_norm("group", channels) for channels in (3, 8, 32, 64, 128)}
    assert [norm.num_groups for norm in groups.values()] == [1, 4, 16, 32, 32]
    features = torch.randn(2, 3, 4, 4)
    assert make_norm("none", 3)(features) is features
    assert sum(p.numel() for p in make_norm("batch", 3, affine=False).parameters()) == 0
    with pytest.raises(
        ValueError, match=r"^norm 'spectral'; allowed: batch, cross_replica, group, layer, instance, none$"
    ):
        make_norm("spectral", 3)


def test_class_gain_and_offset() -> None:
    norm = class_norm(make_norm("instance", 2, affine=False), 2, 3)
    with torch.no_grad():
        norm.gain.weight[1] = torch.tensor([2.0, 0.0])  # type: ignore[operator, index]
        norm.offset.weight[1] = torch.tensor([0.0, 5.0])  # type: ignore[operator, index]
    features = torch.randn(2, 2, 4, 4)
    plain, scaled = make_norm("instance", 2)(features), normalize(norm, features, torch.tensor([0, 1]))
    torch.testing.assert_close(scaled[0], plain[0])
    torch.testing.assert_close(scaled[1, 0], 2 * plain[1, 0])
    assert (scaled[1, 1] == 5.0).all()
    assert torch.equal(normalize(nn.Identity(), features, None), features)
    assert ConditionalBatchNorm(2, 3)(torch.randn(8, 2), torch.zeros(8, dtype=torch.long)).shape == (8, 2)


def test_vector_gain_starts_from_one() -> None:
    torch.manual_seed(0)
    norm = vector_norm(make_norm("batch", 4, affine=False), 4, 6, spectral_norm)
    assert all(isinstance(part, SpectralNorm) and part.bias is None for part in (norm.gain, norm.offset))
    features, vectors = torch.randn(3, 4, 5, 5), torch.randn(3, 6)
    plain = nn.BatchNorm2d(4)(features)
    torch.testing.assert_close(norm(features, torch.zeros(3, 6)), plain)
    scaled = norm.eval()(features, vectors)
    gain, offset = (part(vectors)[:, :, None, None] for part in (norm.gain, norm.offset))
    torch.testing.assert_close(scaled, (1 + gain) * norm.norm(features) + offset)


@pytest.mark.parametrize("kind", ["batch", "cross_replica"])
def test_standing_statistics_are_the_mean_of_the_passes(kind: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 1), make_norm(kind, 3), nn.Dropout(0.5)).eval()
    passes = [torch.randn(4, 2, 5, 5) + shift for shift in range(3)]
    with standing_statistics(network):
        for images in passes:
            assert not network(images).requires_grad
    (norm,) = normalizers(network)
    maps = [network[0](images) for images in passes]
    torch.testing.assert_close(norm.running_mean, torch.stack([m.mean(dim=(0, 2, 3)) for m in maps]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([m.var(dim=(0, 2, 3)) for m in maps]).mean(0))
    assert (norm.training, norm.momentum, network[2].training) == (False, 0.1, False)
    assert not isinstance(norm, CrossReplicaBatchNorm) or norm.joined
