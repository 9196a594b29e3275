"""Which recipe and which configuration file counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from lightning_gans.cli import recipes
from lightning_gans.cli.errors import UsageError
from lightning_gans.cli.recipes import merge
from lightning_gans.cli.request import Request, read_request
from lightning_gans.registry import import_model


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shelf of two recipes for dcgan, one of them for a second data set."""
    monkeypatch.setattr(recipes, "RECIPES", tmp_path)
    own = {"model_name": "dcgan", "data_name": "digits", "model": {"lr": 1}, "data": {"size": 16}}
    special = {"model_name": "dcgan", "data_name": "fashion_mnist", "model": {"lr": 2}}
    (tmp_path / "dcgan.yaml").write_text(yaml.safe_dump(own))
    (tmp_path / "dcgan-fashion_mnist.yaml").write_text(yaml.safe_dump(special))
    return tmp_path


def values(request: Request) -> dict[str, object]:
    merged: dict[str, object] = {}
    for source in request.sources:
        merged = merge(merged, source.values)
    return merged


@pytest.mark.parametrize(
    ("flags", "data", "expected"),
    [
        ([], "digits", {"model": {"lr": 1}, "data": {"size": 16}}),
        (["--data", "digits"], "digits", {"model": {"lr": 1}, "data": {"size": 16}}),
        (["--data=fashion_mnist"], "fashion_mnist", {"model": {"lr": 2}}),
    ],
)
def test_a_recipe_for_the_data_replaces_the_models_own(
    shelf: Path, flags: list[str], data: str, expected: dict[str, object]
) -> None:
    request = read_request(["--model", "dcgan", *flags])
    assert (request.model, request.data) == ("dcgan", data)
    assert values(request) == expected


def test_a_recipe_may_be_called_by_a_protocol_on_a_folder(shelf: Path) -> None:
    protocol = {"model_name": "dcgan", "data_name": "image_folder", "model": {"lr": 3}, "data": {"size": 128}}
    (shelf / "dcgan-imagenet128.yaml").write_text(yaml.safe_dump(protocol))
    request = read_request(["--model", "dcgan", "--data", "imagenet128", "--data.root", "images"])
    assert (request.data, request.flags) == ("image_folder", ["--data.root", "images"])
    assert values(request) == {"model": {"lr": 3}, "data": {"size": 128}}
    with pytest.raises(UsageError, match=r"^unknown data 'imagenet128'"):
        read_request(["--model", "gan", "--data", "imagenet128"])


def test_other_data_takes_the_models_recipe_without_its_data_section(shelf: Path) -> None:
    (shelf / "dcgan-fashion_mnist.yaml").unlink()
    request = read_request(["--model", "dcgan", "--data", "fashion_mnist"])
    assert request.data == "fashion_mnist"
    assert values(request) == {"model": {"lr": 1}}


def test_configurations_beat_the_recipe_in_their_order_and_flags_name_the_run(shelf: Path) -> None:
    first, second = shelf / "first.yaml", shelf / "second.yaml"
    first.write_text(
        "model_name: gan\ndata_name: fashion_mnist\nmodel: {lr: 3, latent_dim: 4}\ntrainer: {max_steps: 5}\n"
    )
    second.write_text("model: {lr: 6}\n")
    request = read_request(["--config", str(first), f"--config={second}", "--x", "1"])
    assert (request.model, request.data, request.flags) == ("gan", "fashion_mnist", ["--x", "1"])
    assert values(request) == {"model": {"lr": 6, "latent_dim": 4}, "trainer": {"max_steps": 5}}
    other = read_request(["-c", str(first), "--model", "dcgan", "--data", "digits"])
    assert (other.model, other.data) == ("dcgan", "digits")
    # what the file says of another model and other data does not apply
    assert values(other) == {"model": {"lr": 1}, "data": {"size": 16}, "trainer": {"max_steps": 5}}


def test_a_model_without_a_recipe_wants_its_data_named(shelf: Path) -> None:
    (shelf / "dcgan.yaml").unlink()
    with pytest.raises(UsageError, match=r"^model 'dcgan' has no recipe that names its data; name it: --data D$"):
        read_request(["--model", "dcgan"])
    assert values(read_request(["--model", "dcgan", "--data", "digits"])) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "configuration file '{}' holds list; allowed: a mapping of options"),
        ("a: [1\n", "configuration file '{}' is no YAML: while parsing a flow sequence"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_request(["--config", str(path)])
    assert str(caught.value).startswith(message.format(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(path.stem for path in recipes.RECIPES.glob("biggan*.yaml")))
def test_biggans_recipes_fit_every_size(name: str) -> None:
    values = yaml.safe_load((recipes.RECIPES / f"{name}.yaml").read_text())
    for side in (32, 64, 128, 256, 512):
        with torch.device("meta"):
            import_model(values["model_name"])((3, side, side), num_classes=7, **values["model"])


def test_every_recipe_names_itself_and_opens_with_what_it_is() -> None:
    shelf = sorted(recipes.RECIPES.glob("*.yaml"))
    assert {"gan", "dcgan", "dcgan-fashion_mnist"} <= {path.stem for path in shelf}
    for path in shelf:
        text = path.read_text()
        values = yaml.safe_load(text)
        assert text.startswith("# ")
        if values["data_name"] == "image_folder":  # named after the set that lies in the folder
            model, _, protocol = path.stem.partition("-")
            assert model == values["model_name"]
            assert f"--model {model} --data {protocol} --data.root" in text
        else:
            assert path.stem in (values["model_name"], f"{values['model_name']}-{values['data_name']}")
        assert values["trainer"]["max_steps"] > 0
        assert values["trainer"]["max_epochs"] == -1
