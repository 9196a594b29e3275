"""docs/from-bolts.md: the code it offers runs, and the names it gives exist."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

import datamodules
from datamodules import Digits
from lightning_gans import DCGAN
from lightning_gans.interop import bolts
from lightning_gans.registry import import_model, list_models
from tests.interop.test_bolts import Bolts
from tests.training import fit

__all__: list[str] = []

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "from-bolts.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
AFTER = [block for block in BLOCKS if "from pl_bolts" not in block]
TINY = {"generator_channels": 8, "discriminator_channels": 8}


def data_like(channels: int, size: int) -> Any:
    """A class that takes what the page gives a data set, and holds small digits of its shape."""

    def make(root: str | None = None, size: int = size, channels: int = channels, batch_size: int = 64) -> Digits:
        return Digits(size=size, channels=channels, batch_size=min(batch_size, 8))

    return make


class Binary(Bolts):
    """Stands in for bolts' BinaryMNISTDataModule."""

    dims = (1, 28, 28)

    def __init__(self, folder: str, batch_size: int, num_workers: int) -> None:
        assert folder == "data"
        super().__init__(min(batch_size, 4))


@pytest.fixture
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the files that the page names, small data for its data sets, and two iterations for its runs."""
    monkeypatch.chdir(tmp_path)
    for name, stand_in in (("MNIST", (1, 28)), ("CIFAR10", (3, 32)), ("ImageFolder", (3, 64))):
        monkeypatch.setattr(datamodules, name, data_like(*stand_in), raising=False)
    monkeypatch.setattr(
        bolts, "import_bolts", lambda: SimpleNamespace(datamodules=SimpleNamespace(BinaryMNISTDataModule=Binary))
    )
    runner = fit(DCGAN(image_shape=(1, 16, 16), **TINY), 1)
    runner.save_checkpoint("last.ckpt")
    old = {name.replace(".layers.", ".main."): value + 1 for name, value in DCGAN().state_dict().items()}
    torch.save({"state_dict": old}, "bolts.ckpt")
    quiet = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    real = pl.Trainer
    monkeypatch.setattr(pl, "Trainer", lambda **options: real(**{**options, **quiet, "max_steps": 2}))


@pytest.mark.usefixtures("_place")
@pytest.mark.parametrize("block", AFTER, ids=lambda block: block.strip().splitlines()[-1])
def test_the_code_runs(block: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(block, "docs/from-bolts.md", "exec"), names)
    if "bolts.ckpt" in block:
        assert all(
            torch.equal(value, names["model"].state_dict()[name.replace(".main.", ".layers.")])
            for name, value in names["old"].items()
        )
    elif "model" in names and "last.ckpt" not in block:
        assert names["model"].iterations == 2
    elif "SampleGrid" in block:
        names["trainer"].fit(DCGAN(image_shape=(1, 16, 16), **TINY), Digits(size=16, batch_size=4))
        assert Path("samples/00000002.png").is_file()
    elif "plane.png" in block:
        assert Path("plane.png").read_bytes().startswith(b"\x89PNG")


def test_every_before_has_an_after() -> None:
    assert len(BLOCKS) - len(AFTER) == 4
    assert len(AFTER) == 7


def test_models_and_data_exist() -> None:
    named = re.findall(r"`([a-z0-9_]+)` \(`(\w+)`\)", PAGE)
    assert ("dcgan", "DCGAN") in named
    for name, cls in named:
        found = import_model(name) if name in list_models() else datamodules.import_data(name)
        assert found.__name__ == cls
        if name not in list_models():
            assert {"root", "size", "channels", "batch_size"} <= set(inspect.signature(found).parameters)
    (others,) = re.findall(r"critic that is Lipschitz: (.*)\.", PAGE)
    assert set(re.findall(r"`(\w+)`", others)) <= set(list_models())
    assert "srgan" not in list_models(), "the page says that it is not here"


def test_logged_names_are_the_engine_s() -> None:
    model = DCGAN(image_shape=(1, 16, 16), **TINY)
    fit(model, 1)
    assert {"generator/adversarial", "discriminator/real", "discriminator/fake"} == set(model.terms)
    assert all(f"`{name}`" in PAGE for name in model.terms)
