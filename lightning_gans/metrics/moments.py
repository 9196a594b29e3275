"""Mean and covariance of features, streamed: what the Fréchet distance needs of a set of images.

Blocks are joined by count, mean and scatter about the mean (Chan, Golub and LeVeque, "Algorithms for computing the sample
variance", 1983), all in float64: nothing is lost when the mean is large beside the spread, as it is when sums of squares
are kept. The same formula backwards takes a block out again.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["Moments", "check_features"]

# Rows gathered before they are multiplied: a product of few rows waits for memory, not for arithmetic.
ROWS = 1024
# The scatter is symmetric, so only its upper triangle is computed, in bands of this many rows.
BAND = 256


def check_features(features: Tensor, dim: int | None = None) -> None:
    """Refuse what is not a finite (N, D) floating-point tensor.

    Args:
        features: (N, D), any floating dtype.
        dim: the D that is wanted; None takes any.

    Raises:
        ValueError: on another shape or dtype, or NaN or infinity in a sample.
    """
    wanted = "(N, D)" if dim is None else f"(N, {dim})"
    if features.dim() != 2 or (dim is not None and features.shape[1] != dim):
        raise ValueError(f"features of shape {tuple(features.shape)}; allowed: {wanted}")
    if not features.is_floating_point():
        raise ValueError(f"features of {features.dtype}; allowed: a floating-point type")
    # NaN and infinity survive a sum, which is a third of the work of looking at each number.
    if bool(torch.isfinite(features.sum(dtype=torch.float64 if features.device.type != "mps" else None))):
        return
    bad = len(features) - int(torch.isfinite(features).all(dim=1).sum())
    if bad:
        raise ValueError(f"features of {bad} of {len(features)} samples are not finite")


class Moments:
    """Count, mean and unbiased covariance of features seen in batches, in float64.

    Args:
        dim: D, the length of a feature.
        device: where the sums live; None takes the first batch's device. Name it where a process may see no batch at all
            before `reduce`. MPS has no float64: its features are summed on the CPU.

    Raises:
        ValueError: if ``dim`` is less than 1.
    """

    def __init__(self, dim: int, device: torch.device | str | None = None) -> None:
        if dim < 1:
            raise ValueError(f"{dim} features a sample; allowed: 1 or more")
        self.dim = dim
        self._device = None if device is None else _with_float64(torch.device(device))
        self._count = 0
        self._mean: Tensor | None = None  # (D,)
        self._scatter: Tensor | None = None  # (D, D), upper triangle of the sum of outer products about the mean
        self._waiting: Tensor | None = None  # (ROWS + 1, D), samples not yet multiplied; the last row is for `_flush`
        self._filled = 0

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """Moments of one tensor (N, D)."""
        check_features(features)
        moments = cls(features.shape[1])
        moments.update(features)
        return moments

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Moments:
        """The inverse of `state`; also the way in for moments known otherwise (a file of statistics, a formula).

        Args:
            state: ``count`` scalar integer, ``mean`` (D,), ``covariance`` (D, D), the unbiased one.

        Raises:
            ValueError: on other names or shapes, a negative count, NaN or infinity.
        """
        if set(state) != {"count", "mean", "covariance"}:
            raise ValueError(f"moments with {', '.join(sorted(state)) or 'nothing'}; allowed: count, covariance, mean")
        count, mean, covariance = int(state["count"]), state["mean"], state["covariance"]
        if mean.dim() != 1 or covariance.shape != (len(mean), len(mean)):
            shapes = f"mean {tuple(mean.shape)} and covariance {tuple(covariance.shape)}"
            raise ValueError(f"moments with {shapes}; allowed: (D,) and (D, D)")
        if count < 0:
            raise ValueError(f"moments of {count} samples; allowed: 0 or more")
        if not (torch.isfinite(mean).all() and torch.isfinite(covariance).all()):
            raise ValueError("moments that are not finite; allowed: finite mean and covariance")
        moments = cls(len(mean), mean.device)
        own_mean, own_scatter = moments._sums()
        own_mean.copy_(mean)
        own_scatter.copy_(covariance.double() * max(count - 1, 0))
        moments._count = count
        return moments

    @property
    def device(self) -> torch.device:
        """Where the sums live; the CPU as long as nothing was seen and nothing said."""
        return self._device or torch.device("cpu")

    @property
    def count(self) -> int:
        """How many samples were seen."""
        return self._count + self._filled

    @property
    def mean(self) -> Tensor:
        """(D,) float64; zeros before the first sample."""
        self._flush()
        return self._sums()[0].clone()

    @property
    def covariance(self) -> Tensor:
        """(D, D) float64, divided by count - 1.

        Raises:
            ValueError: of fewer than two samples.
        """
        if self.count < 2:
            raise ValueError(f"covariance of {self.count} samples; allowed: 2 or more")
        return self.state()["covariance"]

    def state(self) -> dict[str, Tensor]:
        """``count`` (int64 scalar), ``mean`` (D,), ``covariance`` (D, D; zeros of fewer than two samples)."""
        self._flush()
        mean, scatter = self._sums()
        upper = scatter.triu() / max(self._count - 1, 1)
        return {"count": torch.tensor(self._count), "mean": mean.clone(), "covariance": upper + upper.triu(1).T}

    def update(self, features: Tensor) -> None:
        """Take in a batch.

        Args:
            features: (N, D), any floating dtype and device; copied.

        Raises:
            ValueError: as `check_features`; nothing of the batch is taken in then.
        """
        check_features(features, self.dim)
        features = features.detach()
        if self._device is None:
            self._device = _with_float64(features.device)
        for rows in features.to(self._device).split(ROWS):
            if self._filled + len(rows) > ROWS:
                self._multiply()
            if self._waiting is None:
                self._waiting = torch.empty(ROWS + 1, self.dim, dtype=torch.float64, device=self._device)
            self._waiting[self._filled : self._filled + len(rows)].copy_(rows)
            self._filled += len(rows)

    def merge(self, other: Moments) -> Moments:
        """Take in everything ``other`` has seen; ``other`` is not changed. Returns self."""
        self._same_dim(other)
        if other.count:
            self._device = self._device or other.device
            self._combine(other, +1)
        return self

    def __add__(self, other: Moments) -> Moments:
        return self.copy().merge(other)

    def __sub__(self, other: Moments) -> Moments:
        """What remains without the block ``other``, all of whose samples must be in self.

        Raises:
            ValueError: if ``other`` has more samples, or another D.
        """
        self._same_dim(other)
        if other.count > self.count:
            raise ValueError(
                f"a block of {other.count} samples taken out of {self.count}; allowed: {self.count} or fewer"
            )
        if other.count == self.count:
            return Moments(self.dim, self._device)
        rest = self.copy()
        rest._combine(other, -1)
        return rest

    def copy(self) -> Moments:
        """An equal one that shares no memory with self."""
        self._flush()
        twin = Moments(self.dim, self._device)
        if self._count:
            mean, scatter = self._sums()
            twin._mean, twin._scatter, twin._count = mean.clone(), scatter.clone(), self._count
        return twin

    def reduce(self) -> Moments:
        """Join the moments of all processes, in place, if torch.distributed is initialised; call it once. Returns self."""
        if not (dist.is_available() and dist.is_initialized()):
            return self
        self._flush()
        mean, scatter = self._sums()
        count = torch.tensor(self._count, dtype=torch.int64, device=self.device)
        dist.all_reduce(count)
        total = int(count)
        joint = mean * (self._count / max(total, 1))
        dist.all_reduce(joint)
        # Every process moves its scatter to the joint mean; after that scatters may simply be added.
        shift = mean - joint
        scatter.addr_(shift, shift, alpha=self._count)
        dist.all_reduce(scatter)
        mean.copy_(joint)
        self._count = total
        return self

    def _same_dim(self, other: Moments) -> None:
        if other.dim != self.dim:
            raise ValueError(f"moments of {other.dim} features beside {self.dim}; allowed: {self.dim}")

    def _sums(self) -> tuple[Tensor, Tensor]:
        if self._mean is None or self._scatter is None:
            self._mean = torch.zeros(self.dim, dtype=torch.float64, device=self.device)
            self._scatter = torch.zeros(self.dim, self.dim, dtype=torch.float64, device=self.device)
        return self._mean, self._scatter

    def _combine(self, other: Moments, sign: int) -> None:
        """Add (sign 1) or take out (-1) another block: with m of n samples, S = S1 + S2 + d d' n1 n2 / (n1 + n2)."""
        self._flush()
        other._flush()
        mean, scatter = self._sums()
        other_mean, other_scatter = (item.to(self.device) for item in other._sums())
        total = self._count + sign * other._count
        gap = other_mean - mean
        mean.add_(gap, alpha=sign * other._count / total)
        scatter.add_(other_scatter, alpha=sign)
        # Taken out, gap is to the joint mean, not to the rest's: n1 n2 / n becomes n n2 / n1, and one formula does.
        scatter.addr_(gap, gap, alpha=sign * self._count * other._count / total)
        self._count = total

    def _flush(self) -> None:
        """Multiply what waits and free its memory."""
        self._multiply()
        self._waiting = None

    def _multiply(self) -> None:
        """Move the waiting samples into the sums."""
        if self._waiting is None or not self._filled:
            return
        mean, scatter = self._sums()
        rows, total = self._waiting[: self._filled], self._count + self._filled
        centre = rows.mean(dim=0)  # (D,)
        rows.sub_(centre)
        # The outer product of the means' gap rides along as one more row.
        gap = centre - mean
        self._waiting[self._filled] = gap * (self._count * self._filled / total) ** 0.5
        rows = self._waiting[: self._filled + 1]
        for start in range(0, self.dim, BAND):
            band = slice(start, start + BAND)
            scatter[band, start:].addmm_(rows[:, band].T, rows[:, start:])
        mean.add_(gap, alpha=self._filled / total)
        self._count, self._filled = total, 0


def _with_float64(device: torch.device) -> torch.device:
    return torch.device("cpu") if device.type == "mps" else device
