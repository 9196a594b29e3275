"""Features of a small classifier of the data set itself, for images that Inception was never shown.

Inception knows photographs; of 28-pixel digits or drawn faces it sees little, and its 2,048 features need 10,000 images.
Here a small convolutional network learns the classes of the data (`train_domain`), and its features are the channels of
three depths averaged over space, brought to 64 numbers: strokes and texture from the first, shape and class from
the last. The last alone would not do: a trained classifier maps a class to almost one point (Papyan et al. 2020,
arXiv:2008.08186), whatever the images of the class look like.
"""

from __future__ import annotations

import os
import re

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_gans.metrics.features.base import Extracted, FeatureExtractor, fingerprint
from lightning_gans.metrics.features.files import (
    SHIPPED,
    domain_path,
    hash_images,
    read_weights,
    shipped_domains,
    write_weights,
)
from lightning_gans.metrics.features.network import WIDTHS, DomainNetwork, fit_network, principal_axes
from lightning_gans.metrics.features.pixels import check_channels, set_channels, shrink

__all__ = ["DomainFeatures", "find_domain", "train_domain"]

DIM = 64
RECIPE = "1"  # raised when network or training change, so that older files in a cache are not used
LEAST = 8  # pixels: three convolutions of stride 2 leave one
LARGEST = 64  # pixels: larger images are learned from, and judged, at this size
STATISTICS = 10_000  # images that the features are centred and scaled by


class DomainFeatures(FeatureExtractor):
    """64 features of a data set's own classifier; made by `train_domain`, `find_domain` or `from_file`.

    Features are scaled so that their variances over the training images add up to 64. Images of another shape than
    the training images' are adapted, see `adapt`; a score's protocol should hold `resize`.

    Args:
        image_shape: (C, H, W) of the images the network sees; C 1 or 3.
        num_classes: classes it was taught; None: it learned to tell rotations and has no logits.
        outputs: number of the network's own outputs, classes or rotations.
        info: what there is to know of the training; written into the file by `save`.
    """

    name = "domain"
    dim = DIM
    knows_classes = True
    center: Tensor
    axes: Tensor

    def __init__(
        self, image_shape: tuple[int, int, int], num_classes: int | None, outputs: int, info: dict[str, str]
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.num_classes = num_classes
        self.info = info
        self.network = DomainNetwork(image_shape[0], outputs)
        self.register_buffer("center", torch.zeros(sum(WIDTHS[1:]), dtype=torch.float64))
        self.register_buffer("axes", torch.zeros(sum(WIDTHS[1:]), DIM, dtype=torch.float64))
        self.freeze()

    def freeze(self) -> DomainFeatures:
        """Take note of the weights: evaluation mode, no gradients, and their fingerprint."""
        self.requires_grad_(False)
        self.fingerprint = fingerprint(self)
        self.eval()
        return self

    def describe(self) -> str:
        """E.g. "domain fashion_mnist 1a2b3c4d (64 features)"."""
        return f"domain {self.info['data']} {self.fingerprint} ({self.dim} features)"

    def resize(self, image_shape: tuple[int, int, int]) -> str:
        """E.g. "none", "zero-padded to 32x32", "antialiased bilinear to 32x32, RGB to grey"."""
        channels, height, width = image_shape
        check_channels(channels)
        trained, *size = self.image_shape
        steps = []
        if [height, width] != size:
            way = "zero-padded" if self._pads(height, width) else "antialiased bilinear"
            steps.append(f"{way} to {size[0]}x{size[1]}")
        if channels == 4:
            steps.append("alpha laid on white")
        if trained == 1 and channels >= 3:
            steps.append("RGB to grey")
        if trained == 3 and channels == 1:
            steps.append("grey repeated to RGB")
        return ", ".join(steps) or "none"

    def adapt(self, images: Tensor) -> Tensor:
        """Bring images to the shape of those the network learned from.

        Alpha is laid on white; RGB becomes luma, or grey is repeated. 28 to 31 pixels are padded with black to 32,
        never resized, as the data modules do it; all else is resized, antialiased bilinear, and rounded.

        Args:
            images: uint8 (N, 1, 3 or 4, H, W).

        Returns:
            uint8 (N, *image_shape).

        Raises:
            ValueError: another number of channels.
        """
        channels, height, width = self.image_shape
        images = set_channels(images, channels)
        rows, columns = height - images.shape[2], width - images.shape[3]
        if self._pads(images.shape[2], images.shape[3]):
            return F.pad(images, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return shrink(images, (height, width)) if rows or columns else images

    def _pads(self, height: int, width: int) -> bool:
        return self.image_shape[1:] == (32, 32) and 28 <= height <= 32 and 28 <= width <= 32

    def extract(self, images: Tensor) -> Extracted:
        """See `FeatureExtractor.extract`."""
        depths, logits = self.network(self.adapt(images).float() / 127.5 - 1.0)  # [0, 255] -> [-1, 1]
        # In 64-bit, so that no setting for faster matrix products on a GPU touches it: (N, 168) @ (168, 64).
        features = (torch.cat(depths, dim=1).double() - self.center) @ self.axes
        return Extracted(features, None if self.num_classes is None else logits)

    def accuracy(self, images: Tensor, labels: Tensor) -> float:
        """Share of images that the classifier reads as their label.

        Args:
            images: uint8 (n, C, H, W).
            labels: int64 (n,); images whose label is below 0 are not counted.

        Raises:
            ValueError: it learned rotations, not classes.
        """
        hits = []
        for part, own in zip(images.split(500), labels.split(500), strict=True):
            logits = self(part).logits
            if logits is None:
                raise ValueError(f"domain features of {self.info['data']} tell no classes apart")
            hits.append(logits.argmax(dim=1) == own)
        return float(torch.cat(hits)[labels >= 0].double().mean())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and `info` into one safetensors file, whole or not at all; folders are made."""
        write_weights(path, self.state_dict(), self.info)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> DomainFeatures:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: damaged, or not such a file, or one of another version.
        """
        weights, info = read_weights(path)
        if info.get("recipe") != RECIPE:
            raise ValueError(f"'{path}' holds domain features of recipe {info.get('recipe')}; allowed: {RECIPE}")
        try:
            height, width = map(int, info["size"].split("x"))
            shape, classes = (int(info["channels"]), height, width), int(info["classes"]) or None
            with torch.random.fork_rng(devices=[]):  # initial weights are drawn only to be replaced
                self = cls(shape, classes, len(weights["network.head.bias"]), info)
            self.load_state_dict(weights)
        except (KeyError, ValueError, RuntimeError) as error:
            raise ValueError(f"'{path}' is damaged: its weights do not fit what it says of them") from error
        return self.freeze()


def find_domain(data_name: str, *, data_hash: str | None = None) -> DomainFeatures | None:
    """Features of a data set: shipped ones by its name alone, else cached ones of exactly these training images.

    Args:
        data_name: e.g. "digits".
        data_hash: of the training images, see `hash_images`; None: look among the shipped ones only.

    Returns:
        None if there are none, or only such that another version trained.

    Raises:
        ValueError: there is a file, but damaged.
    """
    if data_name in shipped_domains():
        return DomainFeatures.from_file(SHIPPED / f"domain-{data_name}.safetensors")
    cached = None if data_hash is None else domain_path(data_name, data_hash)
    if cached is None or not cached.is_file() or read_weights(cached)[1].get("recipe") != RECIPE:
        return None
    return DomainFeatures.from_file(cached)


def train_domain(
    images: Tensor,
    labels: Tensor | None,
    test_images: Tensor | None = None,
    test_labels: Tensor | None = None,
    *,
    name: str,
    seed: int = 0,
    iterations: int = 2000,
    batch_size: int = 128,
    device: str | torch.device = "cpu",
    progress: bool = False,
    data_hash: str | None = None,
    keep: bool = False,
) -> DomainFeatures:
    """Train a classifier of a data set and make an extractor of it. The global random state stays as it was.

    Args:
        images: uint8 (n, C, H, W), C 1, 3 or 4; those above 64 pixels are taken at 64.
        labels: int64 (n,), -1 = unlabelled; None, or fewer than two classes: rotations are learned instead.
        test_images: uint8 (m, C, H, W), for the accuracy in `DomainFeatures.info`.
        test_labels: int64 (m,).
        name: of the data.
        seed: of weights, order and shifts; the same seed gives the same features on the same machine.
        iterations: batches, 10 or more.
        batch_size: images in a batch.
        device: where to train; the result is on the CPU.
        progress: show a bar.
        data_hash: what `find_domain` shall find it by; default `hash_images` of the images.
        keep: save it in the cache.

    Raises:
        ValueError: images, labels or name outside of what is allowed.
    """
    _check(images, labels, name, iterations)
    data_hash = data_hash or (hash_images(images) if keep else "")
    channels, size = (1 if images.shape[1] == 1 else 3), _size(images.shape[2], images.shape[3])
    images = _prepare(images, channels, size)
    chosen = images
    if labels is not None:
        chosen, labels = images[labels >= 0], labels[labels >= 0]
        if len(labels.unique()) < 2:
            chosen, labels = images, None
    classes = None if labels is None else int(labels.max()) + 1
    turns = 4 if size[0] == size[1] else 2
    info = {"data": name, "seed": str(seed), "iterations": str(iterations), "recipe": RECIPE}
    info |= {"size": f"{size[0]}x{size[1]}", "channels": str(channels), "classes": str(classes or 0)}
    info |= {"torch": str(torch.__version__), "test_accuracy": "unknown"}
    with torch.inference_mode(False), torch.enable_grad():  # whoever calls may be in the middle of an evaluation
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs too
            result = DomainFeatures((channels, *size), classes, classes or turns, info)
        fit_network(
            result.network,
            chosen,
            labels,
            turns,
            seed=seed,
            iterations=iterations,
            batch_size=batch_size,
            device=torch.device(device),
            progress=progress,
        )
    result.freeze()
    rows = torch.linspace(0, len(images) - 1, min(len(images), STATISTICS)).long()
    with torch.no_grad():
        center, axes = principal_axes(result.network, images[rows], DIM)
    result.center.copy_(center)
    result.axes.copy_(axes)
    result.freeze()  # once more: its fingerprint covers the axes
    if classes is not None and test_images is not None and test_labels is not None:
        info["test_accuracy"] = f"{result.accuracy(test_images, test_labels):.4f}"
    if keep:
        result.save(domain_path(name, data_hash))
    return result


def _check(images: Tensor, labels: Tensor | None, name: str, iterations: int) -> None:
    if images.dtype != torch.uint8 or images.dim() != 4:
        given = f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}"
        raise ValueError(f"images are {given}; allowed: uint8 (n, C, H, W)")
    check_channels(images.shape[1])
    if len(images) < 2 or min(images.shape[2:]) < LEAST:
        raise ValueError(f"images of shape {tuple(images.shape)}; allowed: 2 or more, of {LEAST} pixels or more")
    if labels is not None and labels.shape != images.shape[:1]:
        raise ValueError(f"labels of shape {tuple(labels.shape)} for {len(images)} images; allowed: ({len(images)},)")
    if re.fullmatch(r"[A-Za-z0-9_.-]+", name) is None:
        raise ValueError(f"name {name!r}; allowed: letters, digits, '_', '.' and '-'")
    if iterations < 10:
        raise ValueError(f"iterations {iterations}; allowed: 10 or more")


def _size(height: int, width: int) -> tuple[int, int]:
    """Height and width to train at: at most 64, the sides' ratio kept as far as 8 pixels allow."""
    scale = min(1.0, LARGEST / max(height, width))
    return max(LEAST, round(height * scale)), max(LEAST, round(width * scale))


def _prepare(images: Tensor, channels: int, size: tuple[int, int]) -> Tensor:
    """As `DomainFeatures.adapt`, in parts: large images as floats would not fit into memory."""
    if images.shape[1:] == (channels, *size):
        return images
    parts = (set_channels(part, channels) for part in images.split(500))
    return torch.cat([part if part.shape[2:] == size else shrink(part, size) for part in parts])
