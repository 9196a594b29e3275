"""``--data PATH``: a folder of the user's, named by its path."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lightning_gans.cli import recipes
from lightning_gans.cli.errors import UsageError
from lightning_gans.cli.names import is_path
from lightning_gans.cli.request import read_request
from tests.cli.conftest import TINY, Call, files
from tests.datamodules.folders import break_image, folder, zipped

__all__: list[str] = []


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "cache"))


def test_what_is_a_path_and_what_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("pictures", "digits"):
        (tmp_path / name).mkdir()
    assert is_path("pictures")
    assert is_path(".")
    assert is_path(str(tmp_path))
    assert is_path("no/such/folder")  # told as a folder that is missing, not as an unknown name
    assert is_path("nowhere.zip")
    assert is_path("~/pictures")
    assert not is_path("digits")  # a name wins over a folder; ./digits is the folder
    assert is_path("./digits")
    assert not is_path("pictres")


def test_a_path_is_image_folder_with_the_models_recipe_but_for_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "RECIPES", tmp_path)
    own = {"model_name": "dcgan", "data_name": "digits", "model": {"lr": 1}, "data": {"size": 16}, "trainer": {"x": 1}}
    (tmp_path / "dcgan.yaml").write_text(yaml.safe_dump(own))
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"data_name": str(tmp_path)}))
    for given in (["--data", str(tmp_path)], [f"--data={tmp_path}"], ["--config", str(config)]):
        request = read_request(["--model", "dcgan", *given, "--data.size", "8"])
        assert request.data == "image_folder"
        assert request.flags == ["--data.root", str(tmp_path), "--data.size", "8"]
        assert request.sources[0].values == {"model": {"lr": 1}, "trainer": {"x": 1}}
    with pytest.raises(UsageError, match=r"^unknown data 'image_foldr'\. Did you mean 'image_folder'\?"):
        read_request(["--model", "dcgan", "--data", "image_foldr"])


def train(call: Call, *arguments: str | Path) -> tuple[int, str]:
    answer = call("train", "--model", "dcgan", *TINY, "--data.size", "16", "--data.batch_size", "4", *arguments)
    return answer.code, answer.last


def test_a_run_on_a_folder_and_its_configuration_alone(tmp_path: Path, call: Call) -> None:
    root = folder(tmp_path / "pictures", *(f"{kind}/{number}.png" for kind in "ab" for number in range(3)))
    steps = ("--trainer.max_steps", "2", "--data.labels", "none")
    code, last = train(call, "--data", "pictures", *steps)
    assert code == 0, last
    run = tmp_path / "runs" / "dcgan-image_folder" / "1"
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["data_name"] == "image_folder"
    assert (config["data"]["root"], config["data"]["labels"]) == ("pictures", "none")
    assert (run / "checkpoints" / "last.ckpt").is_file()
    answer = call("train", "--config", run / "config.yaml")
    assert answer.code == 0, answer.err
    assert (run.parent / "2" / "checkpoints" / "last.ckpt").is_file()
    code, last = train(call, "--data", zipped(root), "--trainer.max_steps", "1")
    assert code == 0, last
    assert (run.parent / "3").is_dir()


def test_what_cannot_be_used_is_told_in_one_line_and_leaves_nothing(tmp_path: Path, call: Call) -> None:
    (tmp_path / "empty").mkdir()
    root = folder(tmp_path / "broken", "1.png", "2.png")
    break_image(root / "2.png")
    (tmp_path / "bad.zip").write_text("no zip")
    before = files(tmp_path)
    wrong = [
        (("--data", "image_folder"), "error: image_folder needs --data.root: a folder or a .zip of images"),
        (("--data", "./no"), "error: no such folder: no"),
        (("--data", "no.zip"), "error: no such folder: no.zip"),
        (("--data", "empty"), "error: no images in empty; allowed: .bmp, "),
        (("--data", "bad.zip"), "error: corrupt zip bad.zip: File is not a zip file"),
        (("--data", "broken"), "error: broken image broken/2.png: "),
        (("--data", "broken", "--data.labels", "no.csv"), "error: no such label file: no.csv, nor in broken"),
    ]
    for arguments, message in wrong:
        code, last = train(call, *arguments)
        assert (code, last[: len(message)]) == (1, message)
    left = {name for name, content in files(tmp_path).items() if name not in before and content}
    assert left == set()
    assert not (tmp_path / "runs").exists()
