"""The orthogonal start (others are tested with the models that have them)."""

import torch
from torch import nn

from lightning_gans.layers.initialize import orthogonal_init, without_orthogonal_init


def test_rows_or_columns_are_orthonormal_and_biases_zero() -> None:
    network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Linear(4, 10), nn.Embedding(6, 3), nn.BatchNorm2d(4))
    orthogonal_init(network)
    for layer in network[:3]:
        matrix = layer.weight.detach().flatten(1)
        shorter = matrix if len(matrix) <= matrix.shape[1] else matrix.t()
        torch.testing.assert_close(shorter @ shorter.t(), torch.eye(len(shorter)), atol=1e-5, rtol=0)
    assert not network[0].bias.any()
    assert not network[1].bias.any()
    assert (network[3].weight == 1).all()


def test_a_network_whose_weights_are_replaced_is_left_alone() -> None:
    layer = nn.Linear(3, 3)
    before = layer.weight.detach().clone()
    with without_orthogonal_init():
        orthogonal_init(layer)
    assert torch.equal(layer.weight, before)
    orthogonal_init(layer)
    assert not torch.equal(layer.weight, before)
