"""Spectral norm against the singular value decomposition, in training, evaluation, averages, half precision and compiled."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.core.ema import Averager, averaged_copy
from lightning_gans.layers.spectral_norm import SpectralNorm, plain, spectral_norm

LAYERS: dict[str, tuple[Any, Any]] = {
    "conv": (lambda: nn.Conv2d(3, 5, 3, padding=1), lambda: torch.randn(2, 3, 4, 4)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 5, 4, 2, 1), lambda: torch.randn(2, 3, 4, 4)),
    "linear": (lambda: nn.Linear(6, 4), lambda: torch.randn(2, 6)),
    "embedding": (lambda: nn.Embedding(7, 3), lambda: torch.tensor([0, 6])),
}


def rows(layer: nn.Module) -> Tensor:
    """The weight as the paper reshapes it: one row an output."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)


@pytest.mark.parametrize("kind", LAYERS)
def test_weight_over_its_largest_singular_value(kind: str) -> None:
    torch.manual_seed(0)
    make, inputs = LAYERS[kind]
    plain_layer = make()
    layer = spectral_norm(copy.deepcopy(plain_layer))
    assert isinstance(layer, type(plain_layer))
    assert [name for name, _ in layer.named_parameters()] == [name for name, _ in plain_layer.named_parameters()]
    assert layer.u.shape == (len(rows(layer)),)
    given = inputs()
    for _ in range(200):
        layer(given)
    sigma = torch.linalg.svdvals(rows(plain_layer))[0]
    assert sigma > 1.05 or sigma < 0.95  # otherwise nothing would be seen
    with torch.no_grad():
        plain_layer.weight.div_(sigma)
    torch.testing.assert_close(layer(given), plain_layer(given), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(layer.eval()(given), plain_layer(given), atol=1e-5, rtol=1e-4)


def test_one_step_of_the_paper_in_each_training_pass_and_none_in_evaluation() -> None:
    torch.manual_seed(0)
    layer = spectral_norm(nn.Linear(6, 4, bias=False))
    assert isinstance(layer, SpectralNorm)
    weight, u, given = layer.weight.detach(), layer.u.clone(), torch.randn(3, 6)
    v = F.normalize(weight.t() @ u, dim=0)
    u = F.normalize(weight @ v, dim=0)
    torch.testing.assert_close(layer(given), given @ weight.t() / (u @ weight @ v))
    torch.testing.assert_close(layer.u, u)
    layer.eval()
    first, again = layer(given), layer(given)
    torch.testing.assert_close(layer.u, u)
    assert torch.equal(first, again)
    torch.testing.assert_close(first, given @ weight.t() / (weight.t() @ u).norm())
    layer.iterate_in_evaluation = True
    v = F.normalize(weight.t() @ u, dim=0)
    torch.testing.assert_close(layer(given), given @ weight.t() / (weight @ v).norm())
    assert torch.equal(layer.u, layer.train().u)


def test_gradient_keeps_the_singular_values_dependence_on_the_weight() -> None:
    torch.manual_seed(0)
    layer = spectral_norm(nn.Linear(6, 4, bias=False))
    given, target = torch.randn(3, 6), torch.randn(3, 4)
    (layer(given) * target).sum().backward()
    weight = layer.weight.detach()
    u = layer.u
    v = F.normalize(weight.t() @ u, dim=0)  # of a later step: the direction of the first one differs, so redo it below
    layer.eval()
    layer.zero_grad()
    (layer(given) * target).sum().backward()
    sigma, outer = u @ weight @ v, target.t() @ given  # d sum / d normalised weight
    expected = outer / sigma - (outer * weight).sum() / sigma**2 * torch.outer(u, v)
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer.weight.grad, expected, atol=1e-5, rtol=1e-4)


def test_passes_before_one_backward_do_not_disturb_each_other() -> None:
    torch.manual_seed(0)
    layer = spectral_norm(nn.Conv2d(3, 5, 3))
    given = torch.randn(2, 3, 4, 4)
    alone = copy.deepcopy(layer)
    real = layer(given).sum()
    in_evaluation = layer.eval()(given).sum()
    fake = layer.train()(2 * given).sum()
    (real + in_evaluation + fake).backward()
    total = torch.zeros_like(layer.weight)
    for mode, factor in ((True, 1), (False, 1), (True, 2)):
        alone.zero_grad()
        alone.train(mode)(factor * given).sum().backward()
        assert alone.weight.grad is not None
        total += alone.weight.grad
    torch.testing.assert_close(layer.weight.grad, total)


def test_second_derivative_for_penalties() -> None:
    torch.manual_seed(0)
    layer = spectral_norm(nn.Linear(4, 1, bias=False)).eval()
    points = torch.randn(3, 4, requires_grad=True)
    (gradients,) = torch.autograd.grad(layer(points).sum(), points, create_graph=True)
    torch.testing.assert_close(gradients.norm(dim=1), torch.ones(3))  # one row: its norm is its singular value
    gradients.square().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().max() < 1e-5  # and stays so whatever the weight


def test_each_average_is_divided_by_its_own_singular_value() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(spectral_norm(nn.Linear(2, 2)), nn.BatchNorm1d(2))
    average = averaged_copy(network)
    averager = Averager(network, average)
    for finished in range(100):
        angle = torch.tensor(0.02 * finished)  # a weight that turns: its average's singular vectors lag behind
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
        with torch.no_grad():
            network[0].weight.copy_(turn @ torch.diag(torch.tensor([3.0, 1.0])))
        network(torch.randn(8, 2))
        averager.update(0.95, finished)
    live, mean = network[0], average[0]  # type: ignore[index]
    assert isinstance(mean, SpectralNorm)
    assert torch.linalg.matrix_norm(mean.normalized_weight(), 2).item() == pytest.approx(1.0, abs=1e-3)
    assert (mean.weight.t() @ live.u).norm() < 0.99 * torch.linalg.matrix_norm(mean.weight, 2)  # by the live vector
    assert torch.equal(average[1].running_mean, network[1].running_mean)  # type: ignore[arg-type]
    averager.copy()
    assert all(torch.equal(a, b) for a, b in zip(network.buffers(), average.buffers(), strict=True))


def test_singular_value_stays_in_32_bit_under_autocast() -> None:
    torch.manual_seed(0)
    layer = spectral_norm(nn.Linear(64, 32))
    twin = copy.deepcopy(layer)
    assert isinstance(layer, SpectralNorm)
    assert isinstance(twin, SpectralNorm)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.randn(2, 64)).dtype == torch.bfloat16
        normalized = layer.normalized_weight()
    twin.iterate()
    assert normalized.dtype == torch.float32
    torch.testing.assert_close(normalized, twin.normalized_weight(), atol=1e-6, rtol=1e-6)


def test_order_of_memory_changes_nothing() -> None:
    torch.manual_seed(0)
    layer = spectral_norm(nn.Conv2d(4, 6, 3))
    last = copy.deepcopy(layer).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    given = torch.randn(2, 4, 5, 5)
    for _ in range(3):
        torch.testing.assert_close(layer(given), last(given), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_compiled() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(spectral_norm(nn.Conv2d(3, 5, 3)), nn.ReLU(), nn.Flatten(), spectral_norm(nn.Linear(20, 1)))
    twin = copy.deepcopy(network)
    compiled = torch.compile(network, fullgraph=True)
    given = torch.randn(2, 3, 4, 4)
    for _ in range(3):
        torch.testing.assert_close(compiled(given), twin(given), atol=1e-5, rtol=1e-5)
    (compiled(given).sum() + compiled(2 * given).sum()).backward()
    (twin(given).sum() + twin(2 * given).sum()).backward()
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-4)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(network.buffers(), twin.buffers(), strict=True))


def test_errors() -> None:
    with pytest.raises(
        TypeError, match=r"^spectral norm of BatchNorm2d; allowed: Conv2d, ConvTranspose2d, Linear, Embedding$"
    ):
        spectral_norm(nn.BatchNorm2d(3))
    with pytest.raises(ValueError, match=r"^spectral norm with groups=2; allowed: 1$"):
        spectral_norm(nn.Conv2d(4, 4, 3, groups=2))
    layer = nn.Linear(2, 2)
    assert plain(layer) is layer


def test_kept_right_vector_is_used_in_evaluation() -> None:
    layer = spectral_norm(nn.Conv2d(3, 5, 3), keep="v")
    layer.weight.data = layer.weight.data.to(memory_format=torch.channels_last)
    reference = nn.utils.spectral_norm(nn.Conv2d(3, 5, 3))
    with torch.no_grad():
        reference.weight_orig.copy_(layer.weight)
        reference.bias.copy_(layer.bias)
        reference.weight_u.copy_(layer.u)
        reference.weight_v.copy_(layer.v)
    images = torch.randn(2, 3, 8, 8)
    for training in (False, True, True, False):  # not converged: both vectors count
        layer.train(training), reference.train(training)
        torch.testing.assert_close(layer(images), reference(images))
        torch.testing.assert_close(layer.u, reference.weight_u)
        torch.testing.assert_close(layer.v, reference.weight_v)


def test_kept_singular_value_is_of_the_latest_pass_in_training() -> None:
    layer = spectral_norm(nn.Linear(4, 3), keep="sigma")
    assert layer.sigma.tolist() == [1.0]
    layer.eval()(torch.randn(1, 4))
    assert layer.sigma.tolist() == [1.0]
    for _ in range(50):
        layer.train()(torch.randn(1, 4))
    torch.testing.assert_close(layer.sigma[0], torch.linalg.matrix_norm(layer.weight.detach(), 2))
    with pytest.raises(ValueError, match=r"^keep='w'; allowed: None, v, sigma$"):
        spectral_norm(nn.Linear(4, 3), keep="w")


@pytest.mark.parametrize("keep", [None, "v", "sigma"])
def test_average_of_weights_follows_its_own_vectors_whatever_is_kept(keep: str | None) -> None:
    layer = spectral_norm(nn.Linear(4, 3), keep=keep)
    mean = averaged_copy(layer)
    averager = Averager(layer, mean)
    layer(torch.randn(1, 4))
    averager.copy()
    for name, vector in layer.named_buffers():
        assert torch.equal(vector, mean.get_buffer(name))
    with torch.no_grad():
        layer.weight.mul_(-1.0).add_(1.0)
    for _ in range(60):
        averager.update(0.5, 1000)
    torch.testing.assert_close(torch.linalg.matrix_norm(mean.normalized_weight(), 2), torch.tensor(1.0))
