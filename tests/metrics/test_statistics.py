"""Features of a set of images, and a reference's on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_gans.metrics import statistics
from lightning_gans.metrics.features.module import ModuleFeatures
from lightning_gans.metrics.images import TensorImages
from lightning_gans.metrics.statistics import collect, reference_statistics
from tests.metrics.extractors import random_features


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "statistics"


def known_features(dim: int = 6) -> ModuleFeatures:
    """Features that are kept, as a shipped classifier's are."""
    features = random_features(dim=dim)
    features.cacheable = True
    return features


def some_images(n: int = 100, seed: int = 0) -> TensorImages:
    images = torch.randint(0, 256, (n, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return TensorImages(images, torch.arange(n) % 10)


def test_moments_blocks_features_and_logits_agree() -> None:
    images, extractor = some_images(), random_features()
    found = collect(images, extractor, blocks=7, batch_size=16)
    expected = extractor(images.images)
    torch.testing.assert_close(found.features, expected.features)
    torch.testing.assert_close(found.logits, expected.logits)
    assert found.features is not None
    features = found.features.double().numpy()
    np.testing.assert_allclose(found.moments.mean.numpy(), features.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.moments.covariance.numpy(), np.cov(features, rowvar=False), rtol=1e-8, atol=1e-12)
    assert (found.count, [block.count for block in found.blocks]) == (100, [15, 15, 14, 14, 14, 14, 14])
    assert found.labels is images.labels
    assert collect(images, extractor, keep=False).features is None


def test_progress_counts_every_image() -> None:
    seen: list[int] = []
    collect(some_images(), random_features(), blocks=3, progress=seen.append)
    assert sum(seen) == 100


def test_a_reference_is_kept_and_found_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, extractor = some_images(), known_features()
    first = reference_statistics(images, extractor)
    assert len(list(cache.iterdir())) == 1

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(statistics, "collect", never)
    again = reference_statistics(some_images(), known_features())
    assert torch.equal(first.features, again.features)  # type: ignore[arg-type]
    assert torch.equal(first.moments.covariance, again.moments.covariance)
    with pytest.raises(AssertionError):
        reference_statistics(some_images(seed=1), extractor)
    with pytest.raises(AssertionError):
        reference_statistics(images, known_features(dim=5))
    with pytest.raises(AssertionError):
        reference_statistics(images, extractor, cache=False)


def test_features_of_a_users_module_are_not_kept(cache: Path) -> None:
    """Two modules without weights, or the same one after an edit, have the same fingerprint."""
    reference_statistics(some_images(), random_features())
    assert not cache.exists()


def test_what_is_kept_is_made_anew_if_it_lacks_features_or_is_damaged(cache: Path) -> None:
    images, extractor = some_images(), known_features()
    assert reference_statistics(images, extractor, keep=False).features is None
    assert reference_statistics(images, extractor, keep=True).features is not None
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert reference_statistics(images, extractor).count == 100
    assert reference_statistics(images, extractor).features is not None


def test_a_disk_that_takes_no_files_costs_only_time(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where a folder should be")
    assert reference_statistics(some_images(), known_features()).count == 100
