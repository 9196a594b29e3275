"""From an image file's bytes to uint8 pixels: modes, alpha and size. Pure functions of the file and the options.

Grey, RGB, palette, 1-bit, 16-bit and CMYK images, with and without alpha, become 1, 3 or 4 channels. Alpha is laid on
white before anything is resized. 16 bits become 8 by division by 257. The orientation a camera noted is applied.
"""

from __future__ import annotations

import io
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps

__all__ = ["EXTENSIONS", "check_resize", "decode", "fit", "is_grey", "load", "to_pixels"]

EXTENSIONS = (".bmp", ".gif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # no others: Pillow starts Ghostscript for some of them
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
RESIZES = ("crop", "pad", "stretch")
FILTER = Image.Resampling.LANCZOS  # antialiased: its support grows with the scale


def check_resize(resize: str) -> None:
    """Raises ValueError for what is no way of resizing."""
    if resize not in RESIZES:
        raise ValueError(f"resize {resize!r}; allowed: {', '.join(map(repr, RESIZES))}")


def is_grey(stream: IO[bytes]) -> bool:
    """Whether a file holds grey pixels, read from its header; palettes count as colour.

    Raises:
        Exception: the file is no image. Pillow raises whatever its readers stumble upon.
    """
    with Image.open(stream, formats=FORMATS) as image:
        return image.mode in GREY


def decode(data: bytes, shape: tuple[int, int, int], resize: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Decode one image file; of several frames the first.

    Args:
        data: the file.
        shape: (C, H, W) of the result, C being 1, 3 or 4.
        resize: as ``fit`` takes it.

    Returns:
        uint8 (C, H, W).

    Raises:
        Exception: the file is damaged or no image. Pillow raises whatever its readers stumble upon.
    """
    return to_pixels(load(data, shape[0]), shape[1:], resize)


def load(data: bytes, channels: int) -> Image.Image:
    """Decode one image file, of several frames the first, in its own size.

    Args:
        data: the file.
        channels: of the result: 1, 3 or 4.

    Raises:
        Exception: as ``decode``.
    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.load()
        return _to_channels(_upright(image), channels)


def to_pixels(image: Image.Image, size: tuple[int, int], resize: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Bring an image of 1, 3 or 4 channels to a size as ``fit`` does: uint8 (C, H, W)."""
    pixels = np.asarray(fit(image, *size, resize))
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def fit(image: Image.Image, height: int, width: int, resize: str) -> Image.Image:
    """Bring an image to a size; one that has it already is left as it is.

    Args:
        image: of 1, 3 or 4 channels of 8 bits.
        height: in pixels.
        width: in pixels.
        resize: "crop" scales until the size is covered and takes the middle; "pad" scales to fit in and puts black
            around; "stretch" changes the proportions.
    """
    across, down = image.size
    if (down, across) == (height, width):
        return image
    if resize == "stretch":
        return image.resize((width, height), FILTER)
    if resize == "crop":
        wide, high = min(across, down * width / height), min(down, across * height / width)  # what is kept
        left, top = (across - wide) / 2, (down - high) / 2
        return image.resize((width, height), FILTER, (left, top, left + wide, top + high))
    scale = min(width / across, height / down)
    inner = (max(1, round(across * scale)), max(1, round(down * scale)))
    padded = Image.new(image.mode, (width, height), (0, 0, 0, 255) if image.mode == "RGBA" else 0)
    padded.paste(image.resize(inner, FILTER), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return padded


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged notes about an image say nothing against its pixels
        return image


def _to_channels(image: Image.Image, channels: int) -> Image.Image:
    """Any mode to "L", "RGB" or "RGBA"."""
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    elif image.mode == "F":
        raise ValueError("its pixels are floats, whose range nobody tells; allowed: 1, 8 or 16 bits")
    plain = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    palette_alpha = image.mode == "P" and image.palette is not None and image.palette.mode == "RGBA"
    transparent = palette_alpha or image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if not transparent or channels == 4:
        return image.convert(plain)
    rgba = image.convert("RGBA")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(rgba.convert("RGB"), mask=rgba.getchannel("A"))
    return white.convert(plain)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey to 8 bits: 65535 is white. Pillow's "I" has 32 bits, but files of 16 bits come in it too."""
    values = np.asarray(image).astype(np.int64).clip(0, 65535)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))
