"""The list of data sets: names, classes on demand, and nothing heavy imported before one is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import datamodules

__all__: list[str] = []


def test_the_list_holds_data_sets_and_no_helpers() -> None:
    names = datamodules.list_data()
    assert {"digits", "fashion_mnist"} <= set(names)
    assert names == sorted(names)
    assert not {"base", "__init__"} & set(names)
    assert not [name for name in names if name.startswith("_")]


def test_every_listed_name_gives_a_class_that_the_package_gives_too() -> None:
    for name in datamodules.list_data():
        found = datamodules.import_data(name)
        assert getattr(datamodules, found.__name__) is found
        assert found.__name__.lower() == name.replace("_", "")


def test_an_unknown_name_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(ValueError) as caught:
        datamodules.import_data("fashion_minst")
    choices = ", ".join(datamodules.list_data())
    assert str(caught.value) == (f"unknown data 'fashion_minst'. Did you mean 'fashion_mnist'? Choose from: {choices}")
    with pytest.raises(ValueError) as caught:
        datamodules.import_data("base")
    assert str(caught.value) == f"unknown data 'base'. Choose from: {choices}"


@pytest.mark.parametrize("name", ["digits", "Nothing", "DIGITS", "_sampler_"])
def test_an_attribute_that_is_no_class_is_refused(name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(datamodules, f"{name}X")
    assert str(caught.value) == f"module 'datamodules' has no attribute '{name}X'"


def test_importing_and_listing_load_no_torch() -> None:
    code = "import sys, datamodules; print(datamodules.list_data(), 'torch' in sys.modules)"
    root = Path(datamodules.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    assert run.stdout == f"{datamodules.list_data()} False\n"
