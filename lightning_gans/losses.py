"""Adversarial losses: pure functions of logits, each returning a scalar that is minimised.

A critic loss takes the raw outputs on real and on fake images and returns two terms, (real, fake), whose sum is the
critic's loss; every generator loss takes the raw outputs on fake images. Logits may have any shape; the mean is over all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "FEATURE_DISTANCES",
    "CriticLoss",
    "CriticTerms",
    "GeneratorLoss",
    "SemiSupervisedTerms",
    "feature_distance",
    "feature_matching",
    "hinge_discriminator",
    "hinge_generator",
    "label_counts",
    "least_squares_discriminator",
    "least_squares_generator",
    "mean_of_rows",
    "minimax_discriminator",
    "minimax_generator",
    "non_saturating_discriminator",
    "non_saturating_generator",
    "one_sided_discriminator",
    "real_logit",
    "semi_supervised_discriminator",
    "tag_cross_entropy",
    "total_variation",
    "unlabelled_rows",
    "wasserstein_discriminator",
    "wasserstein_generator",
]

FEATURE_DISTANCES = ("mean_squared", "mean_absolute", "squared_norm")


class CriticTerms(NamedTuple):
    """A critic's loss on real and on fake images, two scalars; the loss is their sum."""

    real: Tensor
    fake: Tensor


class SemiSupervisedTerms(NamedTuple):
    """A classifying critic's loss on labelled, on real and on fake images, three scalars; the loss is their sum."""

    labelled: Tensor
    real: Tensor
    fake: Tensor


class CriticLoss(Protocol):
    """(real_logits, fake_logits) -> the two terms of the critic's loss."""

    def __call__(self, real_logits: Tensor, fake_logits: Tensor) -> CriticTerms: ...


class GeneratorLoss(Protocol):
    """(fake_logits) -> the generator's loss."""

    def __call__(self, fake_logits: Tensor) -> Tensor: ...


def minimax_discriminator(real_logits: Tensor, fake_logits: Tensor) -> CriticTerms:
    """-log D(x) and -log(1 - D(G(z))), Goodfellow et al. 2014 (arXiv:1406.2661), eq. 1.

    Softplus of the logits, so that neither underflows: -log sigmoid(a) = softplus(-a).
    """
    return CriticTerms(F.softplus(-real_logits).mean(), F.softplus(fake_logits).mean())


def minimax_generator(fake_logits: Tensor) -> Tensor:
    """log(1 - D(G(z))): the game as written (arXiv:1406.2661, eq. 1); its gradient vanishes while D wins."""
    return -F.softplus(fake_logits).mean()


def non_saturating_discriminator(real_logits: Tensor, fake_logits: Tensor) -> CriticTerms:
    """The critic of the non-saturating game is the minimax critic (arXiv:1406.2661, section 3)."""
    return minimax_discriminator(real_logits, fake_logits)


def non_saturating_generator(fake_logits: Tensor) -> Tensor:
    """-log D(G(z)) (arXiv:1406.2661, section 3): same fixed point as minimax, strong gradients early on."""
    return F.softplus(-fake_logits).mean()


def least_squares_discriminator(
    real_logits: Tensor, fake_logits: Tensor, *, real_target: float = 1.0, fake_target: float = 0.0
) -> CriticTerms:
    """Half the squared distance to the codes b (real) and a (fake), Mao et al. 2016 (arXiv:1611.04076), eq. 2."""
    return CriticTerms(
        0.5 * (real_logits - real_target).square().mean(), 0.5 * (fake_logits - fake_target).square().mean()
    )


def least_squares_generator(fake_logits: Tensor, *, target: float = 1.0) -> Tensor:
    """Half the squared distance of the critic's output on fakes to the code c (arXiv:1611.04076, eq. 2)."""
    return 0.5 * (fake_logits - target).square().mean()


def wasserstein_discriminator(real_logits: Tensor, fake_logits: Tensor) -> CriticTerms:
    """E f(G(z)) - E f(x), Arjovsky et al. 2017 (arXiv:1701.07875), algorithm 1; f must be kept Lipschitz elsewhere."""
    return CriticTerms(-real_logits.mean(), fake_logits.mean())


def wasserstein_generator(fake_logits: Tensor) -> Tensor:
    """-E f(G(z)) (arXiv:1701.07875, algorithm 1)."""
    return -fake_logits.mean()


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor) -> CriticTerms:
    """max(0, 1 - f(x)) and max(0, 1 + f(G(z))) (Lim & Ye 2017, arXiv:1705.02894; used by SNGAN, SAGAN and BigGAN)."""
    return CriticTerms(torch.relu(1.0 - real_logits).mean(), torch.relu(1.0 + fake_logits).mean())


def hinge_generator(fake_logits: Tensor) -> Tensor:
    """-E f(G(z)): the generator's side of the hinge game (arXiv:1705.02894)."""
    return -fake_logits.mean()


def one_sided_discriminator(real_logits: Tensor, fake_logits: Tensor, *, real_target: float = 0.9) -> CriticTerms:
    """The minimax critic with a smaller target for real images only (Salimans et al. 2016, arXiv:1606.03498, section 3.4).

    Cross entropy with target t: softplus(a) - t a, smallest at sigmoid(a) = t. Smoothing fakes too would reward samples
    where there are no data.
    """
    return CriticTerms((F.softplus(real_logits) - real_target * real_logits).mean(), F.softplus(fake_logits).mean())


def real_logit(class_logits: Tensor) -> Tensor:
    """The logit of "real" of K classes beside a fake one whose logit is 0: (N, K) -> (N,).

    D(x) = Z / (Z + 1) with Z the sum of exp(l_k) (arXiv:1606.03498, section 5), so the logit is log Z.
    """
    return torch.logsumexp(class_logits, dim=1)


def mean_of_rows(values: Tensor, rows: Tensor, *, count: Tensor | None = None) -> Tensor:
    """Mean over the rows that are chosen, 0 if none is: values (N, ...), rows bool (N,) -> (...).

    `count` is what their sum is divided by, a scalar; None: their number.
    """
    count = rows.sum() if count is None else count
    share = rows.to(values.dtype) / (count + (count == 0))  # (N,)
    mean: Tensor = torch.tensordot(share, values, dims=1)
    return mean


def label_counts(labels: Tensor) -> Tensor:
    """How many rows have a label, and how many are labelled -1: (N,) -> float32 (2,)."""
    known = labels >= 0
    return torch.stack([known.sum(), (~known).sum()]).float()


def unlabelled_rows(labels: Tensor) -> Tensor:
    """Which rows stand for the data without labels: those labelled -1, or all if there are none. (N,) -> bool (N,)."""
    hidden = labels < 0
    return hidden | ~hidden.any()


def semi_supervised_discriminator(
    class_logits: Tensor,
    labels: Tensor,
    fake_class_logits: Tensor,
    *,
    real_target: float = 1.0,
    counts: Tensor | None = None,
) -> SemiSupervisedTerms:
    """Cross entropy of labelled images, and half the minimax critic's loss (arXiv:1606.03498, section 5, and its code).

    Args:
        class_logits: (N, K), of real images.
        labels: (N,), 0 to K - 1, or -1 for unlabelled. If none is -1, all count as real images too.
        fake_class_logits: (M, K).
        real_target: below 1, one-sided label smoothing.
        counts: (2,), see `label_counts`, what both kinds' sums are divided by. Where these rows are one of several chunks of a
            batch: the batch's counts by the number of chunks; then the mean of the chunks' losses is the batch's. None: of
            these rows.
    """
    known, hidden = (label_counts(labels) if counts is None else counts).unbind()
    labelled = F.cross_entropy(class_logits, labels, ignore_index=-1, reduction="sum") / (known + (known == 0))
    logits = real_logit(class_logits)  # (N,)
    rows = (labels < 0) | (hidden == 0)  # if none is -1, all count as real images too
    count = torch.where(hidden > 0, hidden, len(labels))
    real = mean_of_rows(F.softplus(logits) - real_target * logits, rows, count=count)
    return SemiSupervisedTerms(labelled, 0.5 * real, 0.5 * F.softplus(real_logit(fake_class_logits)).mean())


def feature_matching(
    features: Tensor, fake_features: Tensor, *, rows: Tensor | None = None, distance: str = "squared_norm"
) -> Tensor:
    """How far mean features of fakes are from those of real images (arXiv:1606.03498, section 3.1).

    Args:
        features: (N, F), of real images; no gradient flows into them.
        fake_features: (M, F).
        rows: bool (N,), the real images that count; None: all.
        distance: squared_norm (the paper), mean_squared (its code for MNIST), mean_absolute (for CIFAR-10 and SVHN).

    Raises:
        ValueError: an unknown distance.
    """
    real = features.detach()
    difference = (real.mean(dim=0) if rows is None else mean_of_rows(real, rows)) - fake_features.mean(dim=0)  # (F,)
    if distance == "squared_norm":
        return difference.square().sum()
    if distance == "mean_squared":
        return difference.square().mean()
    if distance == "mean_absolute":
        return difference.abs().mean()
    raise ValueError(f"distance '{distance}'; allowed: {', '.join(FEATURE_DISTANCES)}")


def tag_cross_entropy(logits: Tensor, tags: Tensor) -> Tensor:
    """-log of the probability of all tags of an image, each judged by itself: summed over tags, mean over images.

    Args:
        logits: (N, T).
        tags: (N, T) in {0, 1}.
    """
    return F.binary_cross_entropy_with_logits(logits, tags, reduction="none").sum(dim=1).mean()


def feature_distance(real: Sequence[Tensor], fake: Sequence[Tensor], *, paired: bool) -> Tensor:
    """Mean absolute differences of a critic's maps, added over its layers (Wang et al. 2017, arXiv:1711.11585, eq. 3).

    Args:
        real: each layer's maps (N, C, H, W) of real images; no gradient flows into them.
        fake: the same of generated images.
        paired: image i of both shows one thing; otherwise means over images and positions are compared.
    """
    terms = []
    for wanted, made in zip(real, fake, strict=True):
        aim = wanted.detach()
        terms.append(F.l1_loss(made, aim) if paired else F.l1_loss(made.mean(dim=(0, 2, 3)), aim.mean(dim=(0, 2, 3))))
    return torch.stack(terms).sum()


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbours below each other and beside each other, added: (N, C, H, W) -> scalar."""
    below = (images[:, :, 1:] - images[:, :, :-1]).abs().mean()
    beside = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().mean()
    return below + beside
