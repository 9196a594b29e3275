"""Pixels of image files, exact: modes, alpha, sizes, orientation."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from datamodules._pixels import decode, fit, is_grey
from tests.datamodules.folders import picture

__all__: list[str] = []

Pixels = np.ndarray[Any, Any]
LANCZOS = Image.Resampling.LANCZOS


def file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(data: bytes, channels: int) -> Pixels:
    """Decoded in its own size: int64 (C, H, W)."""
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    found = decode(data, (channels, height, width), "crop")
    assert found.dtype == np.uint8
    assert found.flags["C_CONTIGUOUS"]
    return found.astype(np.int64)


def planes(image: Image.Image) -> Pixels:
    array = np.asarray(image).astype(np.int64)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def on_white(colour: Pixels, alpha: Pixels) -> Pixels:
    """(colour * alpha + white * (255 - alpha)) / 255, rounded; no half occurs, 255 being odd."""
    return (2 * (colour * alpha + 255 * (255 - alpha)) + 255) // 510


def luma(colour: Pixels) -> Pixels:
    red, green, blue = colour
    return ((red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16)[None]


def test_grey() -> None:
    image = picture(1, "L")
    for channels in (1, 3):
        assert np.array_equal(pixels(file(image), channels), planes(image).repeat(channels, axis=0))
    alpha = np.full_like(planes(image), 255)
    assert np.array_equal(pixels(file(image), 4), np.concatenate([*[planes(image)] * 3, alpha]))


def test_colour() -> None:
    image = picture(2, "RGB")
    for kind in ("PNG", "BMP", "TIFF", "PPM"):
        assert np.array_equal(pixels(file(image, kind), 3), planes(image))
        assert np.array_equal(pixels(file(image, kind), 1), luma(planes(image)))
    jpeg = file(image, "JPEG")
    with Image.open(io.BytesIO(jpeg)) as opened:
        assert np.array_equal(pixels(jpeg, 3), planes(opened))


def test_alpha_is_laid_on_white_unless_it_is_asked_for() -> None:
    image = picture(3, "RGBA")
    rgba = planes(image)
    assert np.array_equal(pixels(file(image), 4), rgba)
    assert np.array_equal(pixels(file(image), 3), on_white(rgba[:3], rgba[3:]))
    assert np.array_equal(pixels(file(image), 1), luma(on_white(rgba[:3], rgba[3:])))


def test_every_grey_with_every_alpha() -> None:
    grey, alpha = np.meshgrid(np.arange(256), np.arange(256))
    bands = [Image.fromarray(band.astype(np.uint8)) for band in (grey, alpha)]
    data = file(Image.merge("LA", bands))
    expected = on_white(grey, alpha)[None]
    assert np.array_equal(pixels(data, 1), expected)
    assert np.array_equal(pixels(data, 3), expected.repeat(3, axis=0))
    assert np.array_equal(pixels(data, 4), np.stack([grey, grey, grey, alpha]))


def test_every_value_of_16_bits() -> None:
    values = np.arange(65536).reshape(256, 256)
    image = Image.fromarray(values.astype(np.uint16))
    expected = np.round(values / 257)[None]
    for kind in ("PNG", "TIFF"):
        assert np.array_equal(pixels(file(image, kind), 1), expected)
        assert np.array_equal(pixels(file(image, kind), 3), expected.repeat(3, axis=0))
    wide = Image.fromarray(np.array([[-5, 0, 257, 65535, 70000]], dtype=np.int32))  # 32 bits, mode "I"
    assert pixels(file(wide, "TIFF"), 1).tolist() == [[[0, 0, 1, 255, 255]]]


def test_palettes_and_their_transparency() -> None:
    palette = np.random.RandomState(0).randint(0, 256, (6, 3))
    alpha = np.array([0, 17, 128, 254, 255, 255])
    indices = np.random.RandomState(1).randint(0, 6, (5, 7))
    image = Image.fromarray(indices.astype(np.uint8)).convert("P")
    image.putpalette(palette.astype(np.uint8).tobytes())
    image.putdata(indices.flatten().tolist())
    colour = palette[indices].transpose(2, 0, 1)
    assert np.array_equal(pixels(file(image), 3), colour)
    several = file(image, transparency=bytes(alpha[:5].tolist()))  # an alpha for each of the first five
    assert np.array_equal(pixels(several, 3), on_white(colour, alpha[indices]))
    assert np.array_equal(pixels(several, 4), np.concatenate([colour, alpha[indices][None]]))
    for kind in ("PNG", "GIF"):
        one = file(image, kind, transparency=2)
        assert np.array_equal(pixels(one, 3), np.where(indices == 2, 255, colour)), kind


def test_a_transparent_colour_without_a_palette() -> None:
    image = picture(5, "RGB", (6, 4))
    key = image.getpixel((3, 2))
    colour = planes(image)
    hidden = (colour == np.array(key)[:, None, None]).all(axis=0)
    assert hidden.any()
    assert np.array_equal(pixels(file(image, transparency=key), 3), np.where(hidden, 255, colour))
    grey = picture(5, "L", (6, 4))
    level = grey.getpixel((3, 2))
    assert np.array_equal(pixels(file(grey, transparency=level), 1), np.where(planes(grey) == level, 255, planes(grey)))


def test_one_bit() -> None:
    image = picture(6, "1")
    expected = np.asarray(image).astype(np.int64)[None] * 255
    assert set(np.unique(expected)) == {0, 255}
    assert np.array_equal(pixels(file(image), 1), expected)
    assert np.array_equal(pixels(file(image, "TIFF"), 3), expected.repeat(3, axis=0))


def test_cmyk() -> None:
    image = picture(7, "CMYK")
    cyan_magenta_yellow, black = planes(image)[:3], planes(image)[3:]
    expected = (255 - cyan_magenta_yellow) * (255 - black) / 255
    found = pixels(file(image, "TIFF"), 3)
    assert np.abs(found - expected).max() <= 1
    jpeg = file(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG")
    assert pixels(jpeg, 3)[:, 8, 8].tolist() == pytest.approx([0, 255, 255], abs=3)


def test_the_orientation_of_a_camera_is_applied() -> None:
    image = picture(8, "RGB", (6, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    turned = decode(file(image, exif=exif), (3, 6, 4), "crop")
    assert np.array_equal(turned, np.rot90(planes(image), -1, axes=(1, 2)))


def test_notes_that_are_damaged_do_no_harm() -> None:
    image = picture(9, "RGB", (6, 4))
    notes = PngImagePlugin.PngInfo()
    notes.add(b"eXIf", b"II*\x00\xff\xff\xff\x7f")
    assert np.array_equal(decode(file(image, pnginfo=notes), (3, 4, 6), "crop"), planes(image))


def test_only_grey_modes_are_grey() -> None:
    grey = {mode: is_grey(io.BytesIO(file(picture(1, mode)))) for mode in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")}
    assert grey == {"1": True, "L": True, "LA": True, "I;16": True, "P": False, "RGB": False, "RGBA": False}


def test_crop_scales_the_shorter_side_and_takes_the_middle() -> None:
    image = picture(10, "RGB", (40, 20))
    middle = image.crop((10, 0, 30, 20))
    assert np.array_equal(planes(fit(image, 20, 20, "crop")), planes(middle))  # nothing to scale
    scaled = image.resize((20, 10), LANCZOS).crop((5, 0, 15, 10))
    assert np.array_equal(planes(fit(image, 10, 10, "crop")), planes(scaled))
    assert np.array_equal(planes(fit(image, 20, 10, "crop")), planes(image.resize((10, 20), LANCZOS, (15, 0, 25, 20))))
    assert np.array_equal(planes(fit(image, 10, 20, "crop")), planes(image.resize((20, 10), LANCZOS)))
    tall = image.transpose(Image.Transpose.ROTATE_90)
    assert np.array_equal(planes(fit(tall, 20, 20, "crop")), planes(tall.crop((0, 10, 20, 30))))
    assert fit(picture(1, "L", (1, 500)), 8, 8, "crop").size == (8, 8)


def test_pad_puts_black_around_and_an_odd_pixel_right_and_below() -> None:
    image = picture(11, "RGB", (40, 20))
    padded = planes(fit(image, 21, 20, "pad"))
    assert np.array_equal(padded[:, 5:15], planes(image.resize((20, 10), LANCZOS)))
    assert padded.sum() == padded[:, 5:15].sum()
    wide = planes(fit(image, 20, 43, "pad"))
    assert np.array_equal(wide[:, :, 1:41], planes(image))
    assert wide.sum() == planes(image).sum()
    alpha = planes(fit(picture(12, "RGBA", (4, 8)), 8, 8, "pad"))
    assert np.array_equal(alpha[:, :, 2:6], planes(picture(12, "RGBA", (4, 8))))
    assert (alpha[:3, :, :2] == 0).all()
    assert (alpha[3, :, :2] == 255).all()
    assert fit(picture(1, "L", (1, 500)), 8, 8, "pad").size == (8, 8)


def test_stretch_changes_the_proportions() -> None:
    image = picture(13, "L", (40, 20))
    assert np.array_equal(planes(fit(image, 30, 10, "stretch")), planes(image.resize((10, 30), LANCZOS)))
    assert fit(image, 20, 40, "stretch") is image


def test_making_small_averages_and_making_large_does_not_ring_over() -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = np.asarray(fit(Image.fromarray(board), 8, 8, "crop")).astype(int)
    assert np.abs(small - 127.5).max() < 3  # without antialiasing it would be all 0 or all 255
