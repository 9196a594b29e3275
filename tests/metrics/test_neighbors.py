"""Nearest-neighbour metrics against prdc, torch-fidelity, scikit-learn, brute force and cases known by hand."""

import re
from collections.abc import Callable

import numpy as np
import prdc
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch_fidelity.metric_prc import prc_features_to_metric

from lightning_gans.metrics import neighbors
from lightning_gans.metrics.neighbors import (
    density_coverage,
    distance_blocks,
    memorization,
    nearest,
    neighbor_radii,
    precision_recall,
    realism,
    share_inside,
)


@pytest.fixture(scope="module")
def gaussians() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(0)
    return random.randn(4000, 16), random.randn(4000, 16)


def clouds(real: int, fake: int, dim: int, seed: int = 0, shift: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two Gaussians of which the fake one is narrower, so that precision and recall differ much; far from 0 by `shift`."""
    random = torch.Generator().manual_seed(seed)
    return (
        torch.randn(real, dim, generator=random) + shift,
        0.7 * torch.randn(fake, dim, generator=random) + 0.1 + shift,
    )


def matrix_product(patch: pytest.MonkeyPatch, block: int = 1000) -> None:
    """Send even small sets the way of large ones: by matrix product, a few rows at a time."""
    patch.setattr(neighbors, "_DIRECT", 0)
    patch.setattr(neighbors, "_BLOCK", block)


@pytest.mark.parametrize(
    ("k", "precision", "recall", "density", "coverage"),
    [(3, 0.78575, 0.80350, 0.96683, 0.87075), (5, 0.86875, 0.87775, 0.96845, 0.95975)],
)
def test_the_sheets_gaussians(
    gaussians: tuple[np.ndarray, np.ndarray], k: int, precision: float, recall: float, density: float, coverage: float
) -> None:
    real, fake = map(torch.from_numpy, gaussians)
    assert precision_recall(real, fake, k) == pytest.approx((precision, recall), abs=1e-9)
    assert density_coverage(real, fake, k) == pytest.approx((density, coverage), abs=1e-5)


@pytest.mark.parametrize("product", [False, True], ids=["differences", "matrix product"])
@pytest.mark.parametrize(
    ("sizes", "k", "shift"), [((300, 260, 32), 5, 0.0), ((150, 400, 8), 3, 50.0), ((90, 80, 2), 1, -3.0)]
)
def test_agrees_with_prdc(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int, int], k: int, shift: float, product: bool
) -> None:
    if product:
        matrix_product(monkeypatch)
    real, fake = clouds(*sizes, shift=shift)
    theirs = prdc.compute_prdc(real.double().numpy(), fake.double().numpy(), nearest_k=k)
    ours = {**precision_recall(real, fake, k)._asdict(), **density_coverage(real, fake, k)._asdict()}
    assert min(theirs.values()) > 0.02  # the case is not trivial
    assert ours == pytest.approx(theirs, rel=1e-4)


def fidelity(first: torch.Tensor, second: torch.Tensor, k: int) -> tuple[float, float]:
    found = prc_features_to_metric(
        first, second, prc_neighborhood=k, prc_batch_size=1000, save_cpu_ram=False, verbose=False
    )
    return found["precision"], found["recall"]


def test_agrees_with_torch_fidelity() -> None:
    # Which of its inputs is real has changed (its issue 58). A generator that always draws about the same real-looking
    # sample has precision 1 and recall about 0: that tells the roles.
    real, _ = clouds(200, 1, 4)
    collapsed = real[:1] + 1e-3 * clouds(200, 1, 4, seed=1)[0]
    assert precision_recall(real, collapsed) == pytest.approx((1.0, 0.005))
    fake_first = fidelity(collapsed, real, 3) == pytest.approx((1.0, 0.005))
    assert fake_first != (fidelity(real, collapsed, 3) == pytest.approx((1.0, 0.005)))
    for k, sizes in ((3, (300, 260, 32)), (5, (150, 400, 8))):
        real, fake = (features.double() for features in clouds(*sizes))
        theirs = fidelity(fake, real, k) if fake_first else fidelity(real, fake, k)
        assert precision_recall(real, fake, k) == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("product", [False, True], ids=["differences", "matrix product"])
def test_distances_agree_with_brute_force(monkeypatch: pytest.MonkeyPatch, product: bool) -> None:
    if product:
        matrix_product(monkeypatch)
    points, others = clouds(37, 53, 24, shift=100.0)
    brute = np.sqrt(((points.double().numpy()[:, None] - others.double().numpy()[None]) ** 2).sum(-1))
    blocks = list(distance_blocks(points, others))
    assert len(blocks) == (3 if product else 1)
    np.testing.assert_allclose(torch.cat(blocks).numpy(), brute, rtol=1e-9)
    found = nearest(points, others)
    np.testing.assert_allclose(found.distances.numpy(), brute.min(1), rtol=1e-9)
    np.testing.assert_array_equal(found.indices.numpy(), brute.argmin(1))


@pytest.mark.parametrize("product", [False, True], ids=["differences", "matrix product"])
def test_radii_agree_with_scikit_learn(monkeypatch: pytest.MonkeyPatch, product: bool) -> None:
    if product:
        matrix_product(monkeypatch)
    points = clouds(120, 1, 24)[0]
    theirs = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(points.double().numpy()).kneighbors()[0][:, -1]
    np.testing.assert_allclose(neighbor_radii(points, 4).numpy(), theirs, rtol=1e-9)


def test_radii_by_hand() -> None:
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert neighbor_radii(line, 1).tolist() == [1.0, 1.0, 2.0, 4.0]
    assert neighbor_radii(line, 2).tolist() == [3.0, 2.0, 3.0, 6.0]
    assert neighbor_radii(line, 3).tolist() == [7.0, 6.0, 4.0, 7.0]


@pytest.mark.parametrize("product", [False, True], ids=["differences", "matrix product"])
def test_duplicates_are_others_and_lie_at_distance_zero(monkeypatch: pytest.MonkeyPatch, product: bool) -> None:
    if product:
        matrix_product(monkeypatch, block=100)
    # Far from 0, where a product in 32 bit would find the duplicates 10 or more apart.
    points = clouds(30, 1, 512, shift=1e4)[0]
    points[10:13] = points[0]  # four of a kind
    kind = [0, 10, 11, 12]
    assert neighbor_radii(points, 3)[kind].tolist() == [0.0] * 4
    assert (neighbor_radii(points, 4)[kind] > 20).all()
    # The reals' balls around the four have radius 0: a fake on top of them lies inside for "<=" and outside for "<".
    fake = points[kind]
    assert share_inside(fake, points, 3) == 1.0
    assert density_coverage(points[kind], fake, 3) == (0.0, 0.0)


def test_ties_lie_inside_for_precision_and_outside_for_density() -> None:
    # Both reals have radius 1; the fake at 2 lies exactly on the ball of the real at 1.
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [10.5]])
    assert precision_recall(real, fake, 1) == (0.5, 1.0)
    assert density_coverage(real, fake, 1) == (0.0, 0.0)
    assert density_coverage(real, torch.tensor([[0.5], [0.75], [1.5], [9.0]]), 1) == (5 / 4, 1.0)


def test_roles() -> None:
    # Fakes are reals of one half of the data: every fake looks real, half of the reals cannot be generated.
    real = torch.cat([torch.arange(10.0), torch.arange(10.0) + 100])[:, None]
    assert precision_recall(real, real[:10], 2) == (1.0, 0.5)
    assert density_coverage(real, real[:10], 2).coverage == 0.5


def test_results_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = clouds(101, 67, 6)
    whole = (precision_recall(real, fake), density_coverage(real, fake), realism(real, fake).tolist())
    monkeypatch.setattr(neighbors, "_BLOCK", 70)
    assert (precision_recall(real, fake), density_coverage(real, fake), realism(real, fake).tolist()) == whole


def test_realism_agrees_with_brute_force() -> None:
    real, fake = (features.double() for features in clouds(61, 40, 5))
    between = np.sqrt(((real.numpy()[:, None] - real.numpy()[None]) ** 2).sum(-1))
    radii = np.sort(between, axis=1)[:, 3]
    kept = radii <= np.median(radii)
    across = np.sqrt(((fake.numpy()[:, None] - real.numpy()[None]) ** 2).sum(-1))
    np.testing.assert_allclose(realism(real, fake, 3).numpy(), (radii / across)[:, kept].max(1), rtol=1e-9)


def test_realism_by_hand() -> None:
    # Radii for k = 1 are 1, 1, 2, 4, the median 1.5: the reals at 0 and 1 remain.
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert realism(real, torch.tensor([[2.0], [3.0], [-0.5], [1.0]]), 1).tolist() == [1.0, 0.5, 2.0, float("inf")]
    assert realism(torch.zeros(3, 1), torch.tensor([[0.0], [2.0]]), 1).tolist() == [1.0, 0.0]


def test_memorization_tells_copies_from_new_samples() -> None:
    random = torch.Generator().manual_seed(0)
    train, held_out, new = (torch.randn(600, 8, generator=random) for _ in range(3))
    honest = memorization(new, train, held_out)
    assert honest.ratio == pytest.approx(1.0, abs=0.05)
    assert honest.copies == pytest.approx(0.01, abs=0.015)
    copied = memorization(torch.cat([new[:300], train[:300] + 1e-3]), train, held_out)
    assert copied.copies == pytest.approx(0.5, abs=0.02)
    assert copied.ratio == pytest.approx(0.5, abs=0.05)
    assert memorization(train, train, held_out)[:2] == (0.0, 1.0)


def test_memorization_by_hand() -> None:
    # Held-out distances 1..101: the 1st percentile is 2, the mean 51; generated ones 2 (not nearer than 2), 1.5 and 100.
    held_out = torch.arange(1.0, 102.0)[:, None]
    found = memorization(torch.tensor([[-2.0], [-1.5], [-100.0]]), torch.tensor([[0.0]]), held_out)
    assert found == pytest.approx((34.5 / 51, 1 / 3, 2.0), abs=1e-12)


def test_half_precision_and_graphs_are_taken() -> None:
    real, fake = clouds(40, 30, 4)
    assert precision_recall(real.half().requires_grad_(), fake.half()) == precision_recall(
        real.half().double(), fake.half().double()
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: neighbor_radii(torch.zeros(3, 2), 3), "k=3 with 3 samples; allowed: 1 to the number of samples - 1"),
        (lambda: neighbor_radii(torch.zeros(3, 2), 0), "k=0 with 3 samples; allowed: 1 to the number of samples - 1"),
        (
            lambda: precision_recall(torch.zeros(9, 2), torch.zeros(3, 2)),
            "k=3 with 3 samples; allowed: 1 to the number of samples - 1",
        ),
        (
            lambda: density_coverage(torch.zeros(5, 2), torch.zeros(9, 2)),
            "k=5 with 5 samples; allowed: 1 to the number of samples - 1",
        ),
        (
            lambda: realism(torch.zeros(3, 2), torch.zeros(9, 2)),
            "k=3 with 3 samples; allowed: 1 to the number of samples - 1",
        ),
        (
            lambda: precision_recall(torch.zeros(4, 3, 2, 2), torch.zeros(4, 3)),
            "real of shape (4, 3, 2, 2); allowed: (N, D), neither 0",
        ),
        (
            lambda: density_coverage(torch.zeros(9, 3), torch.zeros(0, 3)),
            "fake of shape (0, 3); allowed: (N, D), neither 0",
        ),
        (
            lambda: nearest(torch.zeros(4, 3), torch.zeros(4, 2)),
            "others of width 2 beside features of width 3; allowed: equal widths",
        ),
        (
            lambda: realism(torch.zeros(9, 3), torch.full((1, 3), torch.nan)),
            "fake with NaN or infinity; allowed: finite numbers",
        ),
        (
            lambda: memorization(torch.ones(2, 3), torch.zeros(4, 3), torch.zeros(2, 3)),
            "held_out samples that are all in train; allowed: samples that were not trained on",
        ),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
