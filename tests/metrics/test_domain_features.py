"""Domain features: those that are shipped, how they are trained, stored and found, and what they do to other shapes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from datamodules import Digits, FashionMNIST
from datamodules.base import ImageDataModule
from lightning_gans.metrics.features import DomainFeatures, domain_path, find_domain, hash_images, train_domain
from lightning_gans.metrics.features.files import SHIPPED, read_weights, write_weights
from tests.digits import frechet

FINGERPRINTS = {"digits": "7a591e24", "fashion_mnist": "3397c209"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/features"


def splits(data: ImageDataModule) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    data.prepare_data()
    data.setup("fit")
    train, test = data.train_dataset, data.test_dataset
    assert train.labels is not None
    assert test.labels is not None
    return train.images, train.labels, test.images, test.labels


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return splits(Digits())


@pytest.fixture(scope="module")
def shipped() -> DomainFeatures:
    features = find_domain("digits")
    assert features is not None
    return features


def tiny(count: int = 40, channels: int = 1, height: int = 12, width: int = 12) -> tuple[Tensor, Tensor]:
    """Noise, brighter in the second class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    noise = torch.randint(0, 128, (count, channels, height, width), generator=generator)
    return (noise + 100 * labels[:, None, None, None]).to(torch.uint8), labels


def values(features: DomainFeatures, images: Tensor) -> np.ndarray:
    return torch.cat([features(part).features for part in images.split(500)]).double().numpy()


@pytest.mark.parametrize("data", ["digits", "fashion_mnist"])
def test_shipped_files(data: str) -> None:
    path = SHIPPED / f"domain-{data}.safetensors"
    assert path.stat().st_size <= 1_000_000
    features = find_domain(data)
    assert features is not None
    assert (features.name, features.dim, features.num_classes) == ("domain", 64, 10)
    assert features.fingerprint == FINGERPRINTS[data]
    assert features.describe() == f"domain {data} {FINGERPRINTS[data]} (64 features)"
    expected = {"data": data, "size": "32x32", "channels": "1", "classes": "10", "seed": "0", "iterations": "2000"}
    assert expected.items() <= features.info.items()
    assert {"test_accuracy", "recipe", "torch"} <= features.info.keys()


def test_accuracy_on_digits(shipped: DomainFeatures, digits: tuple[Tensor, ...]) -> None:
    accuracy = shipped.accuracy(digits[2], digits[3])
    assert accuracy == pytest.approx(float(shipped.info["test_accuracy"]), abs=0.003)  # one digit of 397
    assert accuracy >= 0.96


def test_accuracy_on_fashion_mnist() -> None:
    data = FashionMNIST(download=False)
    if data.find() is None:
        pytest.skip("the files of Fashion-MNIST are not here")
    features = find_domain("fashion_mnist")
    assert features is not None
    _, _, images, labels = splits(data)
    accuracy = features.accuracy(images[:5000], labels[:5000])
    assert accuracy == pytest.approx(float(features.info["test_accuracy"]), abs=0.01)
    assert accuracy >= 0.905


def test_distances_order_what_is_worse(shipped: DomainFeatures, digits: tuple[Tensor, ...]) -> None:
    train, _, test, _ = digits
    generator = torch.Generator().manual_seed(0)
    noisy = test.float() + 8 * torch.randn(test.shape, generator=generator)
    blends = (test.float() + test[torch.randperm(len(test), generator=generator)].float()) / 2
    sets = {
        "floor": test,
        "noisy": noisy.round().clamp(0, 255).to(torch.uint8),
        "blends": blends.round().to(torch.uint8),
        "repeated": test[:10].repeat(40, 1, 1, 1),
        "noise": torch.randint(0, 256, test.shape, generator=generator, dtype=torch.uint8),
    }
    real = values(shipped, train)
    distances = {name: frechet(real, values(shipped, images)) for name, images in sets.items()}
    floor = distances["floor"]
    assert distances["noisy"] < 2 * floor
    assert distances["blends"] > 8 * floor
    assert distances["repeated"] > 8 * floor
    assert distances["noise"] > 3 * max(distances["blends"], distances["repeated"])


def test_batch_size_does_not_matter(shipped: DomainFeatures, digits: tuple[Tensor, ...]) -> None:
    images = digits[2][:33]
    features, logits = shipped(images)
    parts = [shipped(part) for part in images.split(8)]
    torch.testing.assert_close(torch.cat([p.features for p in parts]), features, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.cat([p.logits for p in parts if p.logits is not None]), logits, rtol=0, atol=1e-5)


def test_same_under_autocast(shipped: DomainFeatures, digits: tuple[Tensor, ...]) -> None:
    plain = shipped(digits[2][:4])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = shipped(digits[2][:4])
    assert torch.equal(plain.features, mixed.features)
    assert plain.features.dtype == torch.float32


def test_features_are_centred_and_scaled(shipped: DomainFeatures, digits: tuple[Tensor, ...]) -> None:
    features = values(shipped, digits[0])
    assert np.abs(features.mean(axis=0)).max() < 1e-3
    assert features.var(axis=0, ddof=1).sum() == pytest.approx(64, rel=1e-3)


def test_28_pixels_are_padded(shipped: DomainFeatures, digits: tuple[Tensor, ...]) -> None:
    padded = digits[2][:5]
    assert torch.equal(shipped(padded[:, :, 2:-2, 2:-2]).features, shipped(padded).features)
    assert shipped.resize((1, 28, 28)) == "zero-padded to 32x32"
    assert shipped.resize((1, 32, 32)) == "none"


def test_channels_are_adapted(shipped: DomainFeatures, digits: tuple[Tensor, ...]) -> None:
    grey = digits[2][:5]
    colour = grey.expand(-1, 3, -1, -1)
    assert torch.equal(shipped.adapt(colour), grey)
    assert shipped.resize((3, 32, 32)) == "RGB to grey"
    tint = torch.tensor([200, 100, 50], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    assert shipped.adapt(tint).unique().tolist() == [124]  # 0.299 R + 0.587 G + 0.114 B = 124.2
    see_through = torch.cat([colour, torch.zeros_like(grey)], dim=1)
    assert (shipped.adapt(see_through) == 255).all()
    opaque = torch.cat([colour, torch.full_like(grey, 255)], dim=1)
    assert torch.equal(shipped.adapt(opaque), grey)
    assert shipped.resize((4, 28, 28)) == "zero-padded to 32x32, alpha laid on white, RGB to grey"
    message = "images of 2 channels; allowed for domain features: 1, 3, 4"
    with pytest.raises(ValueError, match=f"^{message}$"):
        shipped(grey.expand(-1, 2, -1, -1))


def test_other_sizes_are_resized(shipped: DomainFeatures) -> None:
    fine = torch.tensor([0, 255], dtype=torch.uint8).repeat(32).expand(1, 1, 64, 64)  # stripes of one pixel
    coarse = shipped.adapt(fine)[..., 1:-1]
    assert coarse.shape == (1, 1, 32, 30)
    assert coarse.float().std() < 2  # without antialiasing they would alias
    assert shipped.resize((1, 64, 64)) == "antialiased bilinear to 32x32"
    assert shipped.resize((1, 8, 8)) == "antialiased bilinear to 32x32"
    assert shipped.adapt(torch.zeros(1, 1, 8, 20, dtype=torch.uint8)).shape == (1, 1, 32, 32)


def test_float_images_are_refused(shipped: DomainFeatures) -> None:
    message = "images are float32; allowed: uint8, which is ((x + 1) * 127.5).round() of [-1, 1]"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        shipped(torch.zeros(1, 1, 32, 32))


def test_training_is_seeded_and_leaves_the_global_state_alone() -> None:
    images, labels = tiny()
    before = torch.get_rng_state()
    first = train_domain(images, labels, name="tiny", iterations=10, batch_size=8)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    with torch.inference_mode():  # as in the middle of an evaluation
        second = train_domain(images, labels, name="tiny", iterations=10, batch_size=8)
    other = train_domain(images, labels, name="tiny", iterations=10, batch_size=8, seed=1)
    assert first.fingerprint == second.fingerprint != other.fingerprint
    assert first.info["seed"] == "0"
    assert not first.train().training
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_training_learns() -> None:
    images, labels = tiny()
    features = train_domain(images, labels, images, labels, name="tiny", iterations=40, batch_size=16)
    assert features.num_classes == 2
    assert float(features.info["test_accuracy"]) == features.accuracy(images, labels) >= 0.9


@pytest.mark.parametrize(("width", "turns"), [(12, 4), (16, 2)])
def test_without_labels_rotations_are_learned(width: int, turns: int) -> None:
    images, _ = tiny(width=width)
    features = train_domain(images, None, name="tiny", iterations=10, batch_size=8)
    assert features.num_classes is None
    assert features.network.head.out_features == turns
    extracted = features(images)
    assert extracted.features.shape == (40, 64)
    assert extracted.logits is None
    unlabelled = train_domain(images, torch.full((40,), -1), name="tiny", iterations=10, batch_size=8)
    assert unlabelled.fingerprint == features.fingerprint
    with pytest.raises(ValueError, match=r"^domain features of tiny tell no classes apart$"):
        features.accuracy(images, torch.zeros(40))


def test_rotations_can_be_told() -> None:
    images, _ = tiny()
    images[:, :, :4] = 255  # bright above
    features = train_domain(images, None, name="tiny", iterations=40, batch_size=16)
    logits = features.network(torch.rot90(images, 1, (2, 3)).float() / 127.5 - 1)[1]
    assert (logits.argmax(dim=1) == 1).float().mean() > 0.9


@pytest.mark.parametrize(
    ("shape", "seen", "said"),
    [
        ((3, 96, 64), (3, 64, 43), "antialiased bilinear to 64x43"),
        ((4, 12, 12), (3, 12, 12), "alpha laid on white"),
    ],
)
def test_shapes_that_are_learned(shape: tuple[int, int, int], seen: tuple[int, int, int], said: str) -> None:
    images, labels = tiny(12, *shape)
    features = train_domain(images, labels, name="tiny", iterations=10, batch_size=4)
    assert features.image_shape == seen
    assert features.resize(shape) == said
    assert features(images).features.shape == (12, 64)
    assert features.resize((1, *seen[1:])) == "grey repeated to RGB"


def test_saved_found_and_loaded(cache: Path) -> None:
    images, labels = tiny()
    digest = hash_images(images)
    assert find_domain("tiny") is None
    assert find_domain("tiny", data_hash=digest) is None
    made = train_domain(images, labels, name="tiny", iterations=10, batch_size=8, keep=True)
    path = domain_path("tiny", digest)
    assert list(cache.iterdir()) == [path]  # no temporary file is left
    assert path.name == f"domain-tiny-{digest}.safetensors"
    found = find_domain("tiny", data_hash=digest)
    assert found is not None
    assert (found.describe(), found.info) == (made.describe(), made.info)
    assert torch.equal(found(images).features, made(images).features)
    images[0, 0, 0, 0] ^= 1
    assert find_domain("tiny", data_hash=hash_images(images)) is None
    assert hash_images(images) != hash_images(images.reshape(40, 1, 6, 24))
    made.info["recipe"] = "0"
    made.save(path)
    assert find_domain("tiny", data_hash=digest) is None
    message = f"'{path}' holds domain features of recipe 0; allowed: 1"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DomainFeatures.from_file(path)


@pytest.mark.parametrize("kind", ["missing", "cut", "empty", "foreign", "other weights"])
def test_damaged_and_foreign_files(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    shipped = SHIPPED / "domain-digits.safetensors"
    message = f"'{path}' is damaged, or no safetensors file"
    if kind == "missing":
        message = f"no domain features at '{path}'"
    elif kind == "cut":
        path.write_bytes(shipped.read_bytes()[:-100])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "foreign":
        save_file({"a": torch.zeros(1)}, path)
        message = f"'{path}' holds no domain features of lightning-gans"
    else:
        write_weights(path, {"network.head.bias": torch.zeros(10)}, read_weights(shipped)[1])
        message = f"'{path}' is damaged: its weights do not fit what it says of them"
    error = FileNotFoundError if kind == "missing" else ValueError
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        DomainFeatures.from_file(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(4, 1, 8, 8)}, "images are float32 of shape (4, 1, 8, 8); allowed: uint8 (n, C, H, W)"),
        (
            {"images": torch.zeros(4, 1, 8, 7, dtype=torch.uint8)},
            "images of shape (4, 1, 8, 7); allowed: 2 or more, of 8 pixels or more",
        ),
        ({"labels": torch.zeros(3)}, "labels of shape (3,) for 40 images; allowed: (40,)"),
        ({"name": "a/b"}, "name 'a/b'; allowed: letters, digits, '_', '.' and '-'"),
        ({"iterations": 9}, "iterations 9; allowed: 10 or more"),
    ],
)
def test_what_cannot_be_trained_on(change: dict[str, object], message: str) -> None:
    images, labels = tiny()
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        train_domain(**{"images": images, "labels": labels, "name": "tiny", **change})  # type: ignore[arg-type]
