"""lightning-bolts: what the adapter makes of a data module of its kind, the shim of the import, and the real package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor

from lightning_gans import DCGAN
from lightning_gans.interop.bolts import BoltsData, import_bolts
from tests.training import fit

__all__: list[str] = []

ROOT = Path(__file__).parents[2]
SHIM = "pytorch_lightning.utilities.apply_func"


class Pictures(Dataset[Any]):
    """Twelve noise pictures, of which picture i is of class i % 3."""

    classes = ("a", "b", "c")

    def __init__(self, size: tuple[int, int], transform: Any, target: Any = None) -> None:
        random = np.random.default_rng(0)
        self.pictures = [Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)) for _ in range(12)]
        self.transform = transform
        self.target = target

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.transform(self.pictures[index]), index % 3 if self.target is None else self.target


class Bolts(LightningDataModule):
    """The interface of bolts' data modules of images."""

    dims: Any = (3, 16, 16)
    num_classes = 3
    dataset_cls: Any = Pictures
    pictures = (16, 16)
    target: Any = None

    def __init__(self, batch_size: Any = 4, num_workers: int = 0, train_transforms: Any = None) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.train_transforms = train_transforms
        self.val_transforms = self.test_transforms = None
        self.prepared = False

    def prepare_data(self) -> None:
        self.prepared = True

    def setup(self, stage: str | None = None) -> None:
        self.dataset_train = Pictures(self.pictures, self.train_transforms or self.default_transforms(), self.target)

    def default_transforms(self) -> Any:
        return to_tensor

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.dataset_train, batch_size=self.batch_size, num_workers=self.num_workers)


def first_batch(data: BoltsData) -> Any:
    data.prepare_data()
    data.setup("fit")
    return data.on_before_batch_transfer(next(iter(data.train_dataloader())), 0)


def test_shape_and_classes_are_known_at_once() -> None:
    data = BoltsData(Bolts())
    assert (data.image_shape, data.num_classes, data.class_names, data.tags) == ((3, 16, 16), 3, ["a", "b", "c"], None)
    assert BoltsData(Bolts(), size=64).image_shape == (3, 64, 64)


def test_names_that_do_not_count_the_classes_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bolts, "num_classes", 2)
    assert BoltsData(Bolts()).class_names is None
    monkeypatch.delattr(Bolts, "num_classes")
    assert (BoltsData(Bolts()).num_classes, BoltsData(Bolts()).class_names) == (None, None)


@pytest.mark.parametrize("workers", [0, 1])
def test_images_are_the_pictures_bytes(workers: int) -> None:
    module = Bolts(num_workers=workers)
    batch = first_batch(BoltsData(module))
    assert module.prepared
    assert batch["images"].dtype == torch.uint8
    for image, picture in zip(batch["images"], module.dataset_train.pictures, strict=False):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(picture))
    assert batch["labels"].tolist() == [0, 1, 2, 0]


def test_pictures_of_other_sizes_are_scaled_and_cut_from_the_middle() -> None:
    class Wide(Bolts):
        pictures = (16, 48)

    left = np.zeros((16, 48, 3), np.uint8)
    left[:, 16:32] = 200  # the middle square
    module = Wide()
    data = BoltsData(module, size=8)
    data.setup("fit")
    module.dataset_train.pictures[0] = Image.fromarray(left)
    image = data.on_before_batch_transfer(next(iter(data.train_dataloader())), 0)["images"][0]
    assert image.shape == (3, 8, 8)
    assert (image[:, :, 2:6] == 200).all()


def test_grey_dims_give_grey_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bolts, "dims", (1, 16, 16))
    module = Bolts()
    images = first_batch(BoltsData(module))["images"]
    assert np.array_equal(images[0, 0].numpy(), np.asarray(module.dataset_train.pictures[0].convert("L")))


def test_a_batch_holds_the_parts_of_the_model(recwarn: pytest.WarningsRecorder) -> None:
    module = Bolts(batch_size=2)
    data = BoltsData(module)
    model = DCGAN(image_shape=data.image_shape, generator_channels=8, discriminator_channels=8, d_steps=3)
    fit(model, 2, data)
    assert (module.batch_size, data.batch_size, model.iterations, model.images_seen) == (6, 2, 2, 12)
    fit(model, 2, data)
    assert module.batch_size == 6  # not multiplied again
    assert not [w for w in recwarn if "looks like" in str(w.message)]


def test_the_model_sees_minus_one_to_one_and_the_classes() -> None:
    class Seen(DCGAN):
        seen: Any = None

        def discriminator_loss(self, batch: Any) -> Any:
            self.seen = batch
            return super().discriminator_loss(batch)

    module = Bolts(batch_size=12)
    model = Seen(image_shape=(3, 16, 16), generator_channels=8, discriminator_channels=8)
    fit(model, 1, BoltsData(module))
    pictures = np.stack([np.asarray(picture) for picture in module.dataset_train.pictures]).transpose(0, 3, 1, 2)
    assert torch.equal(model.seen["images"], torch.from_numpy(pictures).float().div(127.5).sub(1.0))
    assert model.seen["labels"].tolist() == [0, 1, 2] * 4


@pytest.mark.parametrize(
    ("options", "attributes", "message"),
    [
        (
            {},
            {"dims": None},
            "Bolts with dims None, batch_size 4; allowed: dims (C, H, W) with 1, 3 or 4 channels, and a number of images",
        ),
        (
            {},
            {"dims": (2, 8, 8)},
            "Bolts with dims (2, 8, 8), batch_size 4; allowed: dims (C, H, W) with 1, 3 or 4 channels, and a number of images",
        ),
        (
            {"batch_size": None},
            {},
            "Bolts with dims (3, 16, 16), batch_size None; "
            "allowed: dims (C, H, W) with 1, 3 or 4 channels, and a number of images",
        ),
        (
            {"train_transforms": to_tensor},
            {},
            "Bolts with train_transforms of its own; allowed: None (the adapter sets them), and size=",
        ),
    ],
)
def test_what_cannot_be_adapted_is_refused(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], attributes: dict[str, Any], message: str
) -> None:
    for name, value in attributes.items():
        monkeypatch.setattr(Bolts, name, value)
    with pytest.raises(ValueError) as error:
        BoltsData(Bolts(**options))
    assert str(error.value) == message


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^size 0; allowed: 1 or more$"):
        BoltsData(Bolts(), size=0)


def test_an_adapted_module_can_be_adapted_again() -> None:
    module = Bolts()
    first_batch(BoltsData(module))
    assert first_batch(BoltsData(module, size=8))["images"].shape == (4, 3, 8, 8)


def test_floats_from_a_module_that_goes_its_own_way_are_refused() -> None:
    class Deaf(Bolts):
        def setup(self, stage: str | None = None) -> None:
            self.dataset_train = Pictures(self.pictures, to_tensor)

    with pytest.raises(
        ValueError, match=r"^Deaf gives float32 \(4, 3, 16, 16\) as images; allowed: uint8 \(N, 3, 16, 16\)$"
    ):
        first_batch(BoltsData(Deaf()))


def test_targets_that_are_no_classes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bolts, "target", torch.zeros(16, 16, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"^Bolts gives int64 \(4, 16, 16\) as labels; allowed: int64 \(N,\)$"):
        first_batch(BoltsData(Bolts()))
    with pytest.raises(ValueError, match=r"^Bolts gives dict as images; allowed: uint8 \(N, 3, 16, 16\)$"):
        BoltsData(Bolts()).on_before_batch_transfer({}, 0)


# ---------------------------------------------------------------- the import


@pytest.fixture
def clean_modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in {name for name in sys.modules if name.partition(".")[0] == "pl_bolts"} | ({SHIM} - before):
        del sys.modules[name]


def write_bolts(folder: Path, first_line: str) -> None:
    """A package that asks of Lightning what pl_bolts asks, and warns as it does."""
    (folder / "pl_bolts" / "utils").mkdir(parents=True)
    (folder / "pl_bolts" / "__init__.py").write_text(
        f"{first_line}\n"
        "import warnings\n"
        "from pytorch_lightning.utilities.apply_func import apply_to_collection, move_data_to_device\n"
        "from pl_bolts.utils.stability import UnderReviewWarning\n"
        "def review():\n"
        "    warnings.warn('under review', UnderReviewWarning)\n"
        "warnings.filterwarnings('once', 'under review', UnderReviewWarning)\n"
        "review()\n"
    )
    (folder / "pl_bolts" / "utils" / "__init__.py").touch()
    (folder / "pl_bolts" / "utils" / "stability.py").write_text("class UnderReviewWarning(Warning): pass\n")


@pytest.mark.usefixtures("clean_modules")
def test_the_import_finds_what_moved_and_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bolts(tmp_path, "")
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bolts: Any = import_bolts()
        bolts.review()
        assert import_bolts() is bolts
    assert [str(warning.message) for warning in caught] == []
    assert bolts.apply_to_collection([1, 2], int, str) == ["1", "2"]
    assert bolts.move_data_to_device(torch.zeros(1), "cpu").device.type == "cpu"


@pytest.mark.usefixtures("clean_modules")
def test_an_absent_or_broken_package_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError) as absent:
        import_bolts()
    assert str(absent.value) == (
        "lightning-bolts is not installed; pip install lightning-bolts==0.7.0 --no-deps "
        "(with its dependencies it wants Lightning below 2.0)"
    )
    monkeypatch.undo()
    write_bolts(tmp_path, "import a_missing_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError) as broken:
        import_bolts()
    assert str(broken.value) == (
        "lightning-bolts cannot be imported (No module named 'a_missing_package'); "
        "pip install lightning-bolts==0.7.0 --no-deps"
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_package_trains_our_models(tmp_path: Path) -> None:
    """In a process of its own: the shim and bolts' changes to numpy stay there."""
    packages = tmp_path / "packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
    subprocess.run([*install, "lightning-bolts==0.7.0"], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-m", "tests.interop.real_bolts", str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "UnderReviewWarning" not in done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["cifar10"] == {
        "image_shape": [3, 32, 32],
        "num_classes": 10,
        "range": [-1.0, 1.0],
        "images_seen": 16,
        "batch": 16,
    }
    assert found["binary_mnist"] == {
        "image_shape": [1, 32, 32],
        "num_classes": 10,
        "range": [-1.0, 1.0],
        "images_seen": 8,
        "batch": 8,
    }
    assert found["stl10_labels"] == [-1]
    assert found["refused"] == {"TVTDataModule": True, "SklearnDataModule": True}
    assert found["weights_differ_by"] < 1e-6
    assert found["missing_names"] == []
