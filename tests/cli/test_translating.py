"""translate: pictures in, pictures out; what is refused leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_gans import DCGAN, CycleGAN, Pix2Pix, load
from lightning_gans.core.loading import write_weights
from tests.cli.conftest import Call, files

TINY: dict[str, Any] = {"receptive_field": 16, "generator_channels": 2, "discriminator_channels": 2}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with checkpoints and pictures of several sizes and modes."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    shapes = {"source_shape": (3, 16, 16), "target_shape": (1, 16, 16)}
    write_weights(CycleGAN(**shapes, network="resnet_6", **TINY), "cyclegan.ckpt")
    shapes = {"source_shape": (1, 32, 32), "target_shape": (3, 32, 32)}
    strict = Pix2Pix(**shapes, network="unet_32", odd_sides="refuse", direction="BtoA", **TINY)
    write_weights(strict, "pix2pix.ckpt")
    write_weights(DCGAN((1, 16, 16), generator_channels=2, discriminator_channels=2), "dcgan.ckpt")
    random = np.random.RandomState(0)
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    for name, shape in (
        ("a.png", (20, 31, 3)),
        ("b.c.jpg", (16, 16, 3)),
        ("deeper/a.webp", (9, 40, 3)),
        ("grey.png", (32, 64)),
    ):
        Image.fromarray(random.randint(0, 256, shape, dtype=np.uint8)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    return tmp_path


def test_one_png_a_picture_of_its_stem_and_size(call: Call, here: Path) -> None:
    answer = call("translate", "cyclegan.ckpt", "--input", "in", "--direction", "AtoB", "--out", "out")
    assert (answer.code, answer.out) == (0, ""), answer.err
    assert answer.last == "4 pictures in out"
    assert "4/4" in answer.err  # the bar
    found = {str(p.relative_to("out")): Image.open(p) for p in Path("out").rglob("*.png")}
    assert {name: (image.mode, image.size) for name, image in found.items()} == {
        "a.png": ("L", (31, 20)),
        "b.c.png": ("L", (16, 16)),
        "deeper/a.png": ("L", (40, 9)),
        "grey.png": ("L", (64, 32)),
    }
    model = load("cyclegan.ckpt")
    assert isinstance(model, CycleGAN)
    pixels = torch.from_numpy(np.array(Image.open("in/a.png")).transpose(2, 0, 1).copy())[None]
    wanted = ((model.translate(pixels, "AtoB")[0, 0] + 1) * 127.5).round()
    np.testing.assert_allclose(np.array(found["a.png"]).astype(float), wanted.numpy(), atol=1)


def test_one_file_the_other_way_and_in_tiles(call: Call, here: Path) -> None:
    assert call("translate", "cyclegan.ckpt", "--input", "in/grey.png", "--direction", "BtoA", "--out", "x/y").code == 0
    with Image.open("x/y/grey.png") as image:
        assert (image.mode, image.size) == ("RGB", (64, 32))
    whole = Path("x/y/grey.png").read_bytes()
    flags = ("--direction", "BtoA", "--out", "x/y", "--overwrite", "--tile", "32")
    assert call("translate", "cyclegan.ckpt", "--input", "in/grey.png", *flags).code == 0
    assert Path("x/y/grey.png").read_bytes() != whole


def test_a_turned_photograph_is_translated_upright(call: Call, here: Path) -> None:
    image = Image.open("in/a.png")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save("turned.jpg", exif=exif)
    assert call("translate", "cyclegan.ckpt", "--input", "turned.jpg", "--direction", "AtoB", "--out", "o").code == 0
    assert Image.open("o/turned.png").size == (20, 31)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (
            "cyclegan.ckpt --input in --out full",
            2,
            "--out full: the folder is not empty; --overwrite writes into it all the same",
        ),
        ("cyclegan.ckpt --input in --out dcgan.ckpt", 2, "--out dcgan.ckpt: is a file; allowed: a folder"),
        (
            "cyclegan.ckpt --input empty --out o",
            2,
            "--input: no images in empty; allowed: .bmp, .gif, .jpe, .jpeg, .jpg, .pbm, "
            ".pgm, .png, .pnm, .ppm, .tif, .tiff, .webp",
        ),
        ("cyclegan.ckpt --input twice --out o", 2, "--input twice: a.jpg and a.png would both become a.png"),
        (
            "cyclegan.ckpt --input in/notes.txt --out o",
            2,
            "--input in/notes.txt: is no picture; allowed: .bmp, .gif, .jpe, .jpeg, "
            ".jpg, .pbm, .pgm, .png, .pnm, .ppm, .tif, .tiff, .webp, or a folder of them",
        ),
        (
            "cyclegan.ckpt --input broken --out o",
            1,
            "cannot read picture broken/a.png: cannot identify image file 'broken/a.png'",
        ),
        ("cyclegan.ckpt --input in --out o --tile 30", 1, "tile=30; allowed: multiples of 4 from 8 up, such as 32"),
        ("pix2pix.ckpt --input in --out o", 1, "direction AtoB of a Pix2Pix that learned BtoA; allowed: BtoA"),
        (
            "pix2pix.ckpt --input in --out o --direction BtoA",
            1,
            "in/a.png: images of 20x31; this generator takes multiples of 32, "
            "such as 32x32; allowed: those, or odd_sides 'pad'",
        ),
        (
            "dcgan.ckpt --input in --out o",
            2,
            "checkpoint 'dcgan.ckpt' holds model 'dcgan', which draws from noise: lightning-gans generate",
        ),
        ("no.ckpt --input in --out o", 1, "no checkpoint at 'no.ckpt'"),
    ],
)
def test_what_cannot_be_translated_says_so(call: Call, here: Path, flags: str, code: int, message: str) -> None:
    for folder in ("full", "empty", "twice", "broken"):
        Path(folder).mkdir()
    Path("full/mine.txt").write_text("mine")
    for name in ("twice/a.jpg", "twice/a.png"):
        Image.new("RGB", (16, 16)).save(name)
    Path("broken/a.png").write_bytes(b"nothing")
    before = files(here)
    answer = call("translate", *(() if "--direction" in flags else ("--direction", "AtoB")), *flags.split())
    assert (answer.code, answer.out, answer.last) == (code, "", f"error: {message}")
    assert files(here) == before


def test_a_model_that_translates_does_not_generate(call: Call, here: Path) -> None:
    answer = call("generate", "cyclegan.ckpt", "--out", "x.png")
    message = "checkpoint 'cyclegan.ckpt' holds model 'cyclegan', which draws from images, not noise: lightning-gans translate"
    assert (answer.code, answer.last) == (1, f"error: {message}")
