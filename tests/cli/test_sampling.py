"""generate and interpolate: every form of output, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gans import CGAN, AnimeGAN, load
from lightning_gans.core.adversarial import AdversarialModule
from lightning_gans.core.pictures import grid
from tests.cli.conftest import Call, files


def expected(checkpoint: Path, n: int, **options: object) -> np.ndarray:
    images: torch.Tensor = load(checkpoint).generate(n, **options)  # type: ignore[operator]
    return ((images + 1) * 127.5).round().to(torch.uint8).numpy()


def test_npy_png_and_folder_hold_the_same_images(call: Call, checkpoint: Path, tmp_path: Path) -> None:
    images = expected(checkpoint, 10, seed=3)
    for out in ("x.npy", "x.png", "deep/x"):
        answer = call("generate", checkpoint, "--n", "10", "--seed", "3", "--out", out)
        assert (answer.code, answer.out) == (0, "")
    array = np.load("x.npy")
    assert (array.dtype, array.shape) == (np.uint8, (10, 1, 16, 16))
    np.testing.assert_array_equal(array, images)
    shown = grid(torch.from_numpy(images) / 127.5 - 1, 4).numpy()[0]
    np.testing.assert_array_equal(np.asarray(Image.open("x.png")), shown)
    names = sorted(path.name for path in Path("deep/x").iterdir())
    assert names == [f"{index:06d}.png" for index in range(10)]
    np.testing.assert_array_equal(np.asarray(Image.open("deep/x/000007.png")), images[7, 0])
    assert not list(tmp_path.rglob("*.part"))


def test_images_do_not_depend_on_the_batch_but_on_seed_and_weights(call: Call, checkpoint: Path) -> None:
    def drawn(*flags: str) -> np.ndarray:
        assert call("generate", checkpoint, "--out", "a.npy", *flags).code == 0
        return np.load("a.npy").astype(int)

    seven = drawn("--n", "7")
    np.testing.assert_allclose(seven, drawn("--n", "7", "--batch_size", "3"), atol=1)  # 1e-5 may cross a rounding
    np.testing.assert_allclose(seven, drawn("--n", "9")[:7], atol=1)
    np.testing.assert_array_equal(seven, expected(checkpoint, 7, seed=0))
    for other in (["--seed", "1"], ["--raw"], ["--bn", "running"], ["--truncation", "0.5"]):
        assert (seven != drawn("--n", "7", *other)).any(), other


def test_several_truncations_are_rows_of_the_same_latents(call: Call, checkpoint: Path) -> None:
    assert call("generate", checkpoint, "--n", "3", "--truncation", "0.25,1", "--out", "sweep.png").code == 0
    picture = np.asarray(Image.open("sweep.png")).astype(int)
    assert picture.shape == (2 * 18 + 2, 3 * 18 + 2)  # 16 pixels and a gap of 2
    for row, truncation in enumerate(("0.25", "1")):
        assert call("generate", checkpoint, "--n", "3", "--truncation", truncation, "--out", "a.npy").code == 0
        for column, image in enumerate(np.load("a.npy").astype(int)[:, 0]):
            tile = picture[2 + 18 * row : 18 * (row + 1), 2 + 18 * column : 18 * (column + 1)]
            np.testing.assert_allclose(tile, image, atol=1)


def test_a_folder_that_is_not_empty_is_refused_unless_overwritten(call: Call, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine.txt").write_text("kept")
    before = files(tmp_path)
    answer = call("generate", checkpoint, "--n", "2", "--out", "x")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "error: --out x: the folder is not empty; --overwrite writes into it all the same\n"
    assert files(tmp_path) == before
    assert call("generate", checkpoint, "--n", "2", "--out", "x", "--overwrite").code == 0
    assert sorted(files(tmp_path)) == ["x", "x/000000.png", "x/000001.png", "x/mine.txt"]


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ("no.ckpt --out a.png", 1, "no checkpoint at 'no.ckpt'"),
        ("foreign.ckpt --out a.png", 1, "'foreign.ckpt' is damaged, or no checkpoint: EOFError"),
        ("{} --out a.png --classes 1", 1, "labels for DCGAN, which was trained without classes"),
        ("{} --out a.png --tags hat", 1, "tags for DCGAN, which was trained without tags"),
        ("{} --out a.png --tags hat --classes 1", 2, "--classes and --tags: give one of them"),
        ("{} --out a.png --truncation -1", 1, "truncation=-1.0; allowed: more than 0, 1 = none"),
        ("{} --out a.png --truncation 0", 1, "truncation=0.0; allowed: more than 0, 1 = none"),
        ("{} --out a.png --truncation -1,0.5", 1, "truncation=-1.0; allowed: more than 0, 1 = none"),
        (
            "{} --out a.png --classes -1,3",
            2,
            "argument --classes: -1,3; allowed: numbers of classes by comma, such as 0,1,2",
        ),
        ("{} --out a.png --truncation nan", 1, "truncation=nan; allowed: more than 0, 1 = none"),
        ("{} --out a.png --truncation 0.5,inf", 1, "truncation=inf; allowed: more than 0, 1 = none"),
        (
            "{} --out a.npy --truncation 0.5,1",
            2,
            "--out a.npy with several truncations; allowed: a file *.png, of which each gets a row",
        ),
        (
            "{} --out a.png --truncation half",
            2,
            "argument --truncation: 'half'; allowed: a number, or several by comma, such as 0.2,0.5,1",
        ),
        ("{} --out a.png --device warp", 2, "--device warp: no such device here; allowed: auto, cpu, cuda or cuda:N"),
        ("{} --out foreign.ckpt", 2, "--out foreign.ckpt: is a file; allowed: *.png, *.npy or a folder"),
        (
            "{} --out d.png",
            2,
            "--out d.png: is a folder; allowed: a file *.png or *.npy, or a folder without that ending",
        ),
    ],
)
def test_what_cannot_be_drawn_says_so(
    call: Call, checkpoint: Path, tmp_path: Path, flags: str, code: int, message: str
) -> None:
    (tmp_path / "foreign.ckpt").write_bytes(b"")
    (tmp_path / "d.png").mkdir()
    before = files(tmp_path)
    answer = call("generate", *flags.format(checkpoint).split())
    assert (answer.code, answer.out, answer.last) == (code, "", f"error: {message}")
    assert files(tmp_path) == before


def test_a_walk_is_a_grid_of_rows_or_a_film_that_closes(call: Call, checkpoint: Path) -> None:
    for out in ("w.png", "w.gif"):
        answer = call("interpolate", checkpoint, "--n", "3", "--steps", "4", "--seed", "2", "--out", out)
        assert (answer.code, answer.out) == (0, "")
    ends = expected(checkpoint, 3, seed=2)
    picture = np.asarray(Image.open("w.png")).astype(int)
    assert picture.shape == (3 * 18 + 2, 4 * 18 + 2)  # 16 pixels and a gap of 2
    for row in range(3):  # a row starts on its latent and ends on the next one, the last on the first
        for column, end in ((0, ends[row, 0]), (3, ends[(row + 1) % 3, 0])):
            tile = picture[2 + 18 * row : 18 * (row + 1), 2 + 18 * column : 18 * (column + 1)]
            np.testing.assert_allclose(tile, end.astype(int), atol=1)
    with Image.open("w.gif") as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (12, (16, 16), 0)
        film.seek(4)  # the second latent, shown once
        np.testing.assert_allclose(np.asarray(film.convert("L")).astype(int), ends[1, 0].astype(int), atol=1)


def untrained(model: AdversarialModule, path: Path) -> Path:
    """A checkpoint of a model as it was made."""
    counters = {"seed": 0, "iterations": 0, "images_seen": 0, "initialized": True, "decay_end": None, "random": []}
    held = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams), "adversarial": counters}
    torch.save(held, path)
    return path


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """A checkpoint of an untrained AnimeGAN with four tags."""
    torch.manual_seed(0)
    sizes = {"latent_dim": 4, "generator_channels": 4, "discriminator_channels": 2, "generator_blocks": 1}
    model = AnimeGAN((3, 16, 16), tags=["red hair", "blue hair", "smile", "hat"], **sizes)
    return untrained(model, tmp_path / "tagged.ckpt")


def test_images_by_tags(call: Call, tagged: Path) -> None:
    for flags, options in (
        (["--tags", "blue hair, smile"], {"tags": ["smile", "blue hair"]}),
        (["--tags=hat"], {"tags": "hat"}),
        ([], {}),
    ):
        answer = call("generate", tagged, "--n", "5", "--out", "x.npy", *flags)
        assert (answer.code, answer.out) == (0, ""), answer.err
        np.testing.assert_array_equal(np.load("x.npy"), expected(tagged, 5, seed=0, **options))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--tags", "blu hair"],
            "unknown tag 'blu hair'. Did you mean 'blue hair'? Choose from: red hair, blue hair, smile, hat",
        ),
        (["--tags", ""], "unknown tag ''. Choose from: red hair, blue hair, smile, hat"),
        (
            ["--tags", "red hair,blue hair"],
            "tags 'red hair' and 'blue hair'; allowed: one of them, they exclude each other",
        ),
        (
            ["--classes", "1"],
            "--classes for AnimeGAN, which was trained with tags; allowed: --tags 'red hair'",
        ),
    ],
)
def test_tags_that_cannot_be_drawn(call: Call, tagged: Path, tmp_path: Path, flags: list[str], message: str) -> None:
    before = files(tmp_path)
    answer = call("generate", tagged, "--out", "a.png", *flags)
    assert (answer.code, answer.out, answer.last) == (1, "", f"error: {message}")
    assert files(tmp_path) == before


def test_a_class_out_of_range(call: Call, tmp_path: Path) -> None:
    model = CGAN((1, 8, 8), num_classes=3, generator_channels=12, discriminator_channels=8)
    path = untrained(model, tmp_path / "cgan.ckpt")
    answer = call("generate", path, "--out", "a.png", "--classes", "0,3")
    assert (answer.code, answer.last) == (1, "error: labels [0, 3]; allowed: 0 to 2")


def test_a_walk_between_tags(call: Call, tagged: Path) -> None:
    answer = call("interpolate", tagged, "--n", "2", "--steps", "3", "--out", "w.png")
    assert (answer.code, answer.out) == (0, ""), answer.err
    ends = expected(tagged, 2, seed=0)
    picture = np.asarray(Image.open("w.png")).astype(int).transpose(2, 0, 1)
    np.testing.assert_allclose(picture[:, 2:18, 2:18], ends[0].astype(int), atol=1)
    np.testing.assert_allclose(picture[:, 2:18, 38:54], ends[1].astype(int), atol=1)
