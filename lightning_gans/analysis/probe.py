"""What a discriminator has learned to see: a linear classifier on its features, beside two that show what it adds.

Radford, Metz and Chintala 2015, arXiv:1511.06434, section 5.1: the features of all convolutions of a discriminator that saw
no labels, each max-pooled to a 4x4 grid, flattened and concatenated, are classified by a regularised linear L2-SVM.

Where we differ: the paper probes one network trained on ImageNet on other data; here it is any model on any labelled data,
so an untrained copy and the pixels themselves are probed beside it. Features are standardised; the regularisation is chosen
on a held-out fifth of the training images.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lightning_gans.batch import normalize_batch
from lightning_gans.core.adversarial import AdversarialModule
from lightning_gans.core.modes import evaluating
from lightning_gans.layers.maxout import Maxout

__all__ = ["ProbeResult", "discriminator_features", "linear_accuracy", "probe"]

GRID = 4
MOST_CLASSES = 32  # that a discriminator with classes is asked about: each is a pass over all images
REGULARISATION = (0.1, 1.0, 10.0, 100.0)
TOLERANCE = 0.01  # between LIBLINEAR's own two, 0.1 (dual) and 0.01 (primal); scikit-learn's 1e-4 takes much longer
FUNCTIONS = frozenset({"celu", "elu", "gelu", "leaky_relu", "mish", "prelu", "relu", "relu6", "selu", "silu", "tanh"})


class ProbeResult(NamedTuple):
    """Accuracies, in [0, 1], of a linear classifier on three kinds of features."""

    discriminator: float
    """On the trained discriminator's."""
    untrained: float
    """On those of the same network with its initial weights."""
    pixels: float
    """On the images as they are."""
    n_train: int
    """Images the classifiers were trained on."""
    n_test: int
    """Images they were tested on."""
    dims: int
    """Numbers an image of the discriminator's features."""


def probe(
    module: AdversarialModule,
    untrained: AdversarialModule,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    batch_size: int = 256,
    seed: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> ProbeResult:
    """Classify images by a trained discriminator's features, by an untrained one's, and by their pixels.

    Args:
        module: the trained model.
        untrained: the same model with other weights.
        train: images (N, C, H, W), uint8 or float in [-1, 1], and their classes, integers (N,).
        test: the same of images that are not among them.
        batch_size: images a pass; changes nothing but memory.
        seed: of the held-out images and the classifier's order.
        report: is told, in a line, what comes next.

    Raises:
        ValueError: no images, images of another shape, one class only, or a discriminator without features.
    """
    accuracies, dims = [], []
    for name, source in (("discriminator", module), ("untrained", untrained), ("pixels", None)):
        report(f"{name}: features of {len(train[0]) + len(test[0])} images")
        if source is None:
            features = [normalize_batch(images)["images"].flatten(1) for images, _ in (train, test)]  # (N, C * H * W)
        else:
            features = [discriminator_features(source, images, batch_size=batch_size) for images, _ in (train, test)]
        dims.append(features[0].shape[1])
        report(f"{name}: a linear classifier of {dims[-1]} features")
        accuracies.append(linear_accuracy(features[0], train[1], features[1], test[1], seed))
    trained, initial, pixels = accuracies
    return ProbeResult(trained, initial, pixels, len(train[0]), len(test[0]), dims[0])


@torch.no_grad()
def discriminator_features(module: AdversarialModule, images: Tensor, batch_size: int = 256) -> Tensor:
    """The activations inside a model's discriminator, as one vector an image.

    The rule: the output of every activation function (ReLU and its kin, called as a module or as a function) that is
    computed on maps after the first convolution is max-pooled to a 4x4 grid, smaller maps stay as they are; all are
    flattened and concatenated in the order they are computed. So each stage "convolution, norm, activation" counts once, a
    residual block with each activation inside it; layers after the maps, and what has no activation, the logit above all,
    do not count. A network without convolutions gives the outputs of its hidden layers (activations and maxout) as they are.

    A discriminator that is told the class must not be told the true one here, and there is no class "unknown" among those
    it knows: its features are averaged over all classes (over 32 of them, evenly spaced, if there are more), so they depend
    on the image only.

    The network runs in evaluation mode (batch norm with running statistics, no dropout) and is left as it was.

    Args:
        module: whose discriminator is one network of images.
        images: (N, C, H, W), uint8 or float in [-1, 1].
        batch_size: images a pass; changes nothing but memory.

    Returns:
        float32 (N, D) on the CPU.

    Raises:
        ValueError: no images, images of another shape, or a discriminator of several networks or without activations.
    """
    network = module.discriminator
    if isinstance(network, (nn.ModuleDict, nn.ModuleList)):
        raise ValueError(f"the discriminator of {type(module).__name__} is {len(network)} networks; allowed: one")
    if len(images) == 0:
        raise ValueError("0 images to take features of; allowed: 1 or more")
    classes, tags = _classes(module), len(getattr(module, "tags", None) or [])
    rows = []
    with evaluating(network):
        for start in range(0, len(images), batch_size):
            part = images[start : start + batch_size].to(module.device)
            batch = normalize_batch({"images": part})
            told = {"labels": torch.zeros(len(part), dtype=torch.long), "tags": torch.zeros(len(part), tags)}
            module.check_batch({**batch, **told})
            sums = torch.stack([_activations(network, batch["images"], label) for label in classes])  # (K, N, D)
            rows.append(sums.mean(dim=0).float().cpu())
    return torch.cat(rows)


def linear_accuracy(
    train_features: Tensor, train_labels: Tensor, test_features: Tensor, test_labels: Tensor, seed: int
) -> float:
    """The share of test images whose class a linear L2-SVM (squared hinge, one class against the rest) names.

    Features are standardised by the training images' mean and deviation and divided by the root of their number, so that one
    grid of C suits any number of them. C is the best on a fifth of the training images, held out of every class; the
    classifier is then trained on all of them.

    Args:
        train_features: (N, D).
        train_labels: integers (N,).
        test_features: (M, D).
        test_labels: integers (M,).
        seed: of the held-out fifth and of the solver.

    Raises:
        ValueError: fewer than two classes to train on, or no test images.
    """
    classes = len(train_labels.unique())
    if classes < 2:
        raise ValueError(f"{len(train_labels)} training images of {classes} classes; allowed: at least 2 classes")
    if len(test_labels) == 0:
        raise ValueError("0 test images; allowed: 1 or more")
    train, test = _standardised(train_features, test_features)
    labels = train_labels.cpu().numpy()
    held = _held_out(labels, seed)
    best, best_accuracy = 1.0, -1.0
    for c in REGULARISATION if held.any() else ():
        accuracy = _accuracy(train[~held], labels[~held], train[held], labels[held], c, seed)
        if accuracy < best_accuracy:
            break  # past the top, and the larger C the longer it takes
        if accuracy > best_accuracy:
            best, best_accuracy = c, accuracy
    return _accuracy(train, labels, test, test_labels.cpu().numpy(), best, seed)


# -------------------------------------------------------------------- features


class _Recorder(TorchFunctionMode):
    """While active, keeps what activation functions return; modules call the same functions, so none is missed."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[Tensor] = []
        self.vectors: list[Tensor] = []
        self._convolved = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))  # inside, this mode is off: a function made of others counts once
        name = getattr(func, "__name__", "").rstrip("_")
        self._convolved = self._convolved or name == "conv2d"
        if name in FUNCTIONS:
            self.keep(result)
        return result

    def keep(self, features: Tensor) -> None:
        """A copy at once, pooled: the next layer may work in place."""
        if features.dim() == 4 and self._convolved:
            size = [min(GRID, side) for side in features.shape[2:]]
            self.maps.append(F.adaptive_max_pool2d(features, size).flatten(1))  # (N, W, h, w) -> (N, W * 16)
        elif features.dim() == 2:
            self.vectors.append(features.clone())


def _activations(network: nn.Module, images: Tensor, label: int | None) -> Tensor:
    """Features (N, D) of one pass; every image is said to be of class `label`."""
    recorder = _Recorder()
    with ExitStack() as stack:
        for layer in network.modules():
            if isinstance(layer, Maxout):  # an activation of ours, which torch has no function for
                stack.callback(layer.register_forward_hook(lambda _, __, output: recorder.keep(output)).remove)
        with recorder:
            if label is None:
                network(images)
            else:
                network(images, torch.full((len(images),), label, device=images.device))
    features = recorder.maps or recorder.vectors
    if not features:
        raise ValueError(f"{type(network).__name__} has no hidden activations; allowed: a network that has")
    return torch.cat(features, dim=1)


def _classes(module: AdversarialModule) -> list[int] | list[None]:
    """The classes to tell the discriminator, one a pass; [None] for one that is told none."""
    told = "labels" in inspect.signature(module.discriminator.forward).parameters
    if not told or module.num_classes is None or not getattr(module, "is_conditional", True):
        return [None]
    spaced = np.linspace(0, module.num_classes - 1, min(module.num_classes, MOST_CLASSES))
    return [int(label) for label in spaced.round()]


# -------------------------------------------------------------------- classifier


def _standardised(train: Tensor, test: Tensor) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Mean 0 and deviation 1 / sqrt(D) in training: rows have length 1 on average. A constant feature becomes 0."""
    train, test = train.float(), test.float()
    mean, deviation = train.mean(dim=0), train.std(dim=0, correction=0)
    # Averages of equal floats differ by rounding, which must not be blown up to a feature.
    varies = deviation > 1e-6 * mean.abs().clamp_min(1e-12)
    scale = torch.where(varies, 1.0 / deviation.clamp_min(1e-30), 0.0) / train.shape[1] ** 0.5
    return ((train - mean) * scale).numpy(force=True), ((test - mean) * scale).numpy(force=True)


def _held_out(labels: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """Which images, bool (N,), to choose C on: a random fifth of each class, rounded down, so that none is lost."""
    held = np.zeros(len(labels), dtype=bool)
    random = np.random.default_rng(seed)
    for label in np.unique(labels):
        mine = random.permutation(np.flatnonzero(labels == label))
        held[mine[: len(mine) // 5]] = True
    return held


def _accuracy(
    train: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any],
    test: np.ndarray[Any, Any],
    truth: np.ndarray[Any, Any],
    c: float,
    seed: int,
) -> float:
    from sklearn.svm import LinearSVC  # takes a second to import

    classifier = LinearSVC(C=c, loss="squared_hinge", dual="auto", tol=TOLERANCE, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Liblinear failed to converge")  # near enough to compare
        classifier.fit(train, labels)
    return float(classifier.score(test, truth))
