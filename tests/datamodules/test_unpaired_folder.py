"""unpaired_folder: two domains however they lie, drawn independently; an epoch is one pass through the larger one."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules import UnpairedFolder
from datamodules._pixels import decode
from datamodules._unpaired import TwoDomains
from lightning_gans.batch import normalize_batch
from tests.datamodules.folders import break_image, folder, picture, zipped
from tests.datamodules.pair_folders import domains, told, unpaired
from tests.datamodules.translation import batches_resumed

__all__: list[str] = []


def kept(*paths: Path) -> torch.Tensor:
    """What becomes of files."""
    return torch.from_numpy(np.stack([decode(path.read_bytes(), (3, 16, 16), "crop") for path in paths]))


def sides(dataset: Any) -> tuple[torch.Tensor, torch.Tensor]:
    assert isinstance(dataset, TwoDomains)
    return dataset.images, dataset.b


@pytest.mark.parametrize("packed", [False, True])
def test_the_published_layout(tmp_path: Path, packed: bool) -> None:
    root = domains(tmp_path / "horse2zebra", trainA=3, trainB=5, testA=2, testB=1)
    data = unpaired(zipped(root, wrapped=True) if packed else root)
    assert data.source_shape == data.target_shape == data.image_shape == (3, 16, 16)
    for dataset, split, counts in ((data.train_dataset, "train", (3, 5)), (data.test_dataset, "test", (2, 1))):
        for images, side, count in zip(sides(dataset), "AB", counts, strict=True):
            assert torch.equal(images, kept(*(root / f"{split}{side}/{number}.jpg" for number in range(count))))
    assert len(data.test_dataset) == 2
    batch = data.test_dataset.__getitems__([0, 1])
    assert torch.equal(batch["b"][0], batch["b"][1])  # the smaller domain is repeated
    assert torch.equal(batch["a"], sides(data.test_dataset)[0])
    assert torch.equal(data.test_dataset.read(np.array([1]))["images"], batch["a"][1:])


def test_other_layouts(tmp_path: Path) -> None:
    plain = domains(tmp_path / "p", A=2, B=3)
    assert [len(side) for side in sides(unpaired(plain).train_dataset)] == [2, 3]
    assert [len(side) for side in sides(unpaired(plain).test_dataset)] == [2, 3]  # no split: all are in both
    split = folder(tmp_path / "q", "A/train/0.png", "A/test/1.png", "B/train/0.png", "B/val/x.png", "B/test/2.png")
    data = unpaired(split)
    assert [len(side) for side in (*sides(data.train_dataset), *sides(data.test_dataset))] == [1, 1, 1, 1]
    cats, dogs = folder(tmp_path / "cats", "1.png", "deep/2.png"), folder(tmp_path / "dogs", "1.png", mode="L")
    data = unpaired(root_a=cats, root_b=zipped(dogs, wrapped=True))
    assert (data.source_shape, data.target_shape) == ((3, 16, 16), (1, 16, 16))
    assert set(data.train_dataset[1]) == {"a", "b"}
    data = unpaired(domains(tmp_path / "r", trainA=1, trainB=1, valA=2, valB=2))
    assert len(data.test_dataset) == 2


@pytest.mark.parametrize(("a", "b"), [(3, 7), (7, 3)])
@pytest.mark.parametrize("flip", [False, True])
def test_an_epoch_is_one_pass_through_the_larger_domain(tmp_path: Path, a: int, b: int, flip: bool) -> None:
    data = unpaired(domains(tmp_path / "p", trainA=a, trainB=b), load_size=18, flip=flip)
    loader = data.train_dataloader()
    assert len(loader) == 7
    variants = 18 if flip else 9
    assert len(data.train_dataset) == a * b * variants**2
    for epoch in range(3):
        items = np.array([loader.sampler.batch(epoch * 7 + number)[0] for number in range(7)])  # type: ignore[attr-defined]
        x, y = items % (a * variants), items // (a * variants)
        counts = [sorted(np.bincount(part % n, minlength=n)) for part, n in ((x, a), (y, b))]
        assert {tuple(count) for count in counts} == {(1,) * 7, (2, 2, 3)}


def test_a_batch_is_what_was_dealt(tmp_path: Path) -> None:
    data = unpaired(domains(tmp_path / "p", trainA=2, trainB=3), load_size=18, flip=True, batch_size=2, num_workers=1)
    first, second = sides(data.train_dataset)
    loader = data.train_dataloader()
    for position, batch in zip(range(1), loader, strict=False):
        for row, item in enumerate(loader.sampler.batch(position)):  # type: ignore[attr-defined]
            x, y = item % (2 * 18), item // (2 * 18)
            for key, images, drawn in (("a", first, x), ("b", second, y)):
                variant, number = divmod(drawn, len(images))
                mirrored, crop = divmod(variant, 9)
                piece = images[number, :, crop // 3 : crop // 3 + 16, crop % 3 : crop % 3 + 16]
                assert torch.equal(batch[key][row], piece.flip(-1) if mirrored else piece)
    assert set(normalize_batch(batch, first=True)) == {"a", "b"}


def test_draws_of_the_two_domains_are_independent(tmp_path: Path) -> None:
    """Of images, crops and mirroring: counts of pairs of draws are what independence makes them (chi-square, 99.99 %)."""
    data = unpaired(domains(tmp_path / "p", trainA=4, trainB=4), load_size="16x18", flip=True)
    sampler: Any = data.train_dataloader().sampler
    items = np.array([sampler.batch(position)[0] for position in range(4 * 2500)])
    x, y = items % (4 * 6), items // (4 * 6)
    for of in (lambda d: d % 4, lambda d: d // 4 % 3, lambda d: d // 12):
        first, second = of(x), of(y)
        table = np.zeros((first.max() + 1, second.max() + 1))
        np.add.at(table, (first, second), 1)
        likely = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
        cells = (table.shape[0] - 1) * (table.shape[1] - 1)
        limit = {1: 15.1, 4: 23.5, 9: 33.7}[cells]
        assert ((table - likely) ** 2 / likely).sum() < limit
        assert (likely > 500).all()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_sees_the_batches_of_the_run_that_was_never_stopped(workers: int, tmp_path: Path) -> None:
    root = domains(tmp_path / "p", trainA=5, trainB=3)

    def make() -> UnpairedFolder:
        return unpaired(root, load_size=20, flip=True, batch_size=2, num_workers=workers)

    whole, resumed = batches_resumed(make, ("a", "b"), tmp_path / "half.ckpt")
    assert len(set(whole)) == 7
    assert resumed == whole[3:]


def test_a_worker_that_is_spawned_maps_the_cache(tmp_path: Path) -> None:
    data = unpaired(domains(tmp_path / "p", trainA=2, trainB=2))
    sent = pickle.dumps(data.train_dataset)
    assert len(sent) < 3000
    copy = pickle.loads(sent)
    assert torch.equal(copy[3]["b"], data.train_dataset[3]["b"])


def test_without_a_cache(tmp_path: Path, cache: Path) -> None:
    root = domains(tmp_path / "p", trainA=2, trainB=2)
    with pytest.warns(UserWarning, match="are above cache_limit"):
        data = unpaired(root, cache_limit=0)
    assert not cache.exists()
    assert torch.equal(data.train_dataset[2]["b"], unpaired(root).train_dataset[2]["b"])


def test_what_a_checkpoint_keeps_builds_the_same_domains(tmp_path: Path) -> None:
    data = unpaired(domains(tmp_path / "p", trainA=2, trainB=2), resize="pad", size="16x12", load_size=20)
    assert data.source is not None
    again = unpaired(**data.source["options"])
    assert again.source == data.source
    assert torch.equal(again.train_dataset[2]["b"], data.train_dataset[2]["b"])


def test_sides_that_are_missing_or_empty(tmp_path: Path) -> None:
    root = domains(tmp_path / "p", trainA=1, trainB=0)
    assert told(unpaired, root).startswith(f"no images in {root}/trainB; allowed: .bmp")
    (root / "trainB").rmdir()
    assert told(unpaired, root).startswith(f"no images in {root}/trainB; allowed: .bmp")
    domains(root, trainB=1, testB=1)
    assert told(unpaired, root).startswith(f"no images in {root}/testA; allowed: .bmp")
    assert told(unpaired, tmp_path / "nowhere") == f"no such folder: {tmp_path}/nowhere"
    other = folder(tmp_path / "q", "cats/1.png", "dogs/2.png")
    assert told(unpaired, other) == (
        f"no folders trainA and trainB in {other}; allowed: these (and testA, testB), or A and B, or two folders "
        "as --data.root_a and --data.root_b"
    )


def test_broken_images(tmp_path: Path) -> None:
    root = domains(tmp_path / "p", trainA=2, trainB=2)
    break_image(root / "trainA/0.jpg")
    assert told(unpaired, root).startswith(f"broken image {root}/trainA/0.jpg: ")
    with pytest.warns(UserWarning, match=r"^1 of 2 images are broken and left out, the first trainA/0\.jpg"):
        data = unpaired(root, skip_broken=True)
    assert [len(side) for side in sides(data.train_dataset)] == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": None}, "given: none of them"),
        ({"root": None, "root_b": "x"}, "given: root_b"),
        ({"root_a": "x", "root_b": "y"}, "given: root, root_a, root_b"),
    ],
)
def test_one_folder_or_two(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    assert told(unpaired, **{"root": tmp_path, **options}, kind=ValueError) == (
        "unpaired_folder needs --data.root, a folder or .zip of both sides, or --data.root_a and --data.root_b; "
        + message
    )


def test_pictures_of_all_sizes_become_one(tmp_path: Path) -> None:
    root = domains(tmp_path / "p", trainA=1, trainB=1)
    picture(1, size=(7, 90)).save(root / "trainA/0.jpg")
    assert unpaired(root).train_dataset[0]["a"].shape == (3, 16, 16)
