"""What the real lightning-bolts 0.7.0 is asked: ``python -m tests.interop.real_bolts FOLDER`` prints the answers in JSON.

Its data modules read small files in the layouts of CIFAR-10, MNIST and STL-10, written here. Torchvision compares files with
checksums of the real ones, so the data sets used here are its own, with the checksums of these files.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from lightning_gans import DCGAN
from lightning_gans.interop.bolts import BoltsData, import_bolts
from tests.training import fit

__all__: list[str] = []

PAGE = Path(__file__).parents[2] / "docs" / "from-bolts.md"
RANDOM = np.random.default_rng(0)


def write(path: Path, content: bytes) -> list[str]:
    """Write a file; returns its name and checksum, as torchvision lists them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return [path.name, hashlib.md5(content, usedforsecurity=False).hexdigest()]


def pixels(count: int, *shape: int) -> Any:
    """Noise that holds both ends of the range."""
    noise = RANDOM.integers(0, 256, (count, *shape), dtype=np.uint8)
    noise[:, :2, :2] = 0
    noise[:, -2:, -2:] = 255
    return noise


def cifar10(bolts: Any, folder: Path) -> Any:
    """CIFAR-10 of 40 training images."""
    from torchvision.datasets import CIFAR10

    def batch(count: int) -> bytes:
        images = pixels(count, 32, 32, 3).transpose(0, 3, 1, 2).reshape(count, -1)
        return pickle.dumps({"data": images, "labels": [i % 10 for i in range(count)]})

    base = folder / "cifar-10-batches-py"
    names = pickle.dumps({"label_names": [f"class {i}" for i in range(10)]})
    listed = {
        "train_list": [write(base / "data_batch_1", batch(40))],
        "test_list": [write(base / "test_batch", batch(10))],
        "meta": dict(zip(("filename", "md5"), write(base / "batches.meta", names), strict=True), key="label_names"),
    }
    module = bolts.datamodules.CIFAR10DataModule
    kind = type("SmallCIFAR10DataModule", (module,), {"dataset_cls": type("SmallCIFAR10", (CIFAR10,), listed)})
    return kind(str(folder), normalize=True, batch_size=4, drop_last=True)


def binary_mnist(bolts: Any, folder: Path) -> Any:
    """BinaryMNIST of 40 images; its data set only looks whether the files are there."""
    base = folder / "BinaryMNIST" / "raw"
    for stem in ("train", "t10k"):
        write(
            base / f"{stem}-images-idx3-ubyte",
            np.array([2051, 40, 28, 28], ">i4").tobytes() + pixels(40, 28, 28).tobytes(),
        )
        write(
            base / f"{stem}-labels-idx1-ubyte", np.array([2049, 40], ">i4").tobytes() + bytes(i % 10 for i in range(40))
        )
    return bolts.datamodules.BinaryMNISTDataModule(str(folder), batch_size=8, drop_last=True)


def stl10(bolts: Any, folder: Path) -> Any:
    """STL-10 of 20 images in each split; its loader names the data set itself."""
    from torchvision.datasets import STL10

    base = folder / "stl10_binary"
    for name in ("unlabeled_X.bin", "train_X.bin", "test_X.bin"):
        write(base / name, pixels(20, 96, 96, 3).tobytes())
    for name in ("train_y.bin", "test_y.bin"):
        write(base / name, bytes(i % 10 + 1 for i in range(20)))
    write(base / "class_names.txt", b"\n".join(b"class %d" % i for i in range(10)))

    def listed(*names: str) -> list[list[str]]:
        return [[name, hashlib.md5((base / name).read_bytes(), usedforsecurity=False).hexdigest()] for name in names]

    lists = {"train_list": listed("train_X.bin", "train_y.bin", "unlabeled_X.bin")}
    lists["test_list"] = listed("test_X.bin", "test_y.bin")
    importlib.import_module("pl_bolts.datamodules.stl10_datamodule").STL10 = type("SmallSTL10", (STL10,), lists)
    return bolts.datamodules.STL10DataModule(str(folder), unlabeled_val_split=4, batch_size=4)


class Seen(DCGAN):
    """Keeps the range of the images that it trained on."""

    extremes: list[float]

    def discriminator_loss(self, batch: Any) -> Any:
        self.extremes = [bound.item() for bound in torch.aminmax(batch["images"])]
        return super().discriminator_loss(batch)


def trained(module: Any, *, size: int | None = None, d_steps: int = 1) -> dict[str, Any]:
    """One step of our DCGAN on a data module of bolts."""
    data = BoltsData(module, size=size)
    channels = {"generator_channels": 8, "discriminator_channels": 8}
    model = Seen(image_shape=data.image_shape, d_steps=d_steps, **channels)
    fit(model, 1, data)
    return {
        "image_shape": data.image_shape,
        "num_classes": data.num_classes,
        "range": model.extremes,
        "images_seen": model.images_seen,
        "batch": module.batch_size,
    }


def stl10_labels(module: Any) -> list[int]:
    """The labels of STL-10's training images, which have none."""
    data = BoltsData(module)
    data.setup("fit")
    labels: list[int] = (
        data.on_before_batch_transfer(next(iter(data.train_dataloader())), 0)["labels"].unique().tolist()
    )
    return labels


def refused(module: Any) -> bool:
    """Whether the adapter refuses a data module."""
    try:
        BoltsData(module)
    except ValueError:
        return True
    return False


def weights_differ_by() -> float:
    """How far our DCGAN's images are from bolts' DCGAN's after its weights are taken as the page tells."""
    gans: Any = importlib.import_module("pl_bolts.models.gans")
    theirs = gans.DCGAN(image_channels=3, feature_maps_gen=8, feature_maps_disc=8)
    ours = DCGAN(image_shape=(3, 64, 64), generator_channels=8, discriminator_channels=8)
    for mine, other in ((ours.generator, theirs.generator), (ours.discriminator, theirs.discriminator)):
        mine.load_state_dict(dict(zip(mine.state_dict(), other.state_dict().values(), strict=True)))
    latents = torch.randn(4, 100)
    with torch.no_grad():
        images = theirs(latents)
        logits = ours.discriminator(images)
        return max(
            (ours(latents) - images).abs().max().item(),
            (torch.sigmoid(logits) - theirs.discriminator(images)).abs().max().item(),
        )


def missing_names() -> list[str]:
    """Names that the page's code takes from pl_bolts and that are not there."""
    missing = []
    for block in PAGE.read_text().split("```python\n")[1:]:
        for node in ast.walk(ast.parse(block.split("```")[0])):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pl_bolts"):
                module = importlib.import_module(node.module or "")
                missing += [name.name for name in node.names if not hasattr(module, name.name)]
    return missing


def main(folder: Path) -> None:
    """Ask everything."""
    torch.set_num_threads(1)
    bolts: Any = import_bolts()
    images, classes = np.zeros((8, 4)), np.zeros(8, int)
    answers = {
        "cifar10": trained(cifar10(bolts, folder), d_steps=4),
        "binary_mnist": trained(binary_mnist(bolts, folder), size=32),
        "stl10_labels": stl10_labels(stl10(bolts, folder)),
        "refused": {
            "TVTDataModule": refused(bolts.datamodules.TVTDataModule([], [], [])),
            "SklearnDataModule": refused(bolts.datamodules.SklearnDataModule(images, classes)),
        },
        "weights_differ_by": weights_differ_by(),
        "missing_names": missing_names(),
    }
    sys.stdout.write(json.dumps(answers) + "\n")


if __name__ == "__main__":
    pl.seed_everything(0, verbose=False)
    main(Path(sys.argv[1]))
