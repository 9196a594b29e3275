"""What the headers of images tell: whether all are grey, and the one shape that all of a folder share."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from datamodules._decoding import BrokenImageError, reading
from datamodules._folder_scan import ImageFolderError, ImageSource, open_source
from datamodules._pixels import is_grey
from lightning_gans.batch import shape_text

__all__ = ["all_grey", "uniform_shape"]


def all_grey(source: ImageSource, names: list[str], *, skip_broken: bool) -> bool:
    """Whether all images are grey; reads up to the first that is not.

    Args:
        source: of the images.
        names: theirs.
        skip_broken: those without a header say nothing; False: they are an error.

    Raises:
        BrokenImageError: see above.
    """
    images = 0
    for name in names:
        try:
            with reading(source, name) as stream:
                if not is_grey(stream):
                    return False
            images += 1
        except BrokenImageError:
            if not skip_broken:
                raise
    return images > 0


def uniform_shape(root: str | Path) -> tuple[int, int, int]:
    """(C, H, W) of every image of a folder or .zip; C is 1 for grey, 4 with transparency, else 3.

    Raises:
        OSError: the folder cannot be read or holds no images; an image is broken; two images differ in size or in C.
    """
    source = open_source(Path(root))
    first: tuple[str, tuple[int, int, int]] | None = None
    for entry in source.entries:
        with reading(source, entry.name) as stream:
            grey = is_grey(stream)
            stream.seek(0)
            with Image.open(stream) as image:
                clear = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
                shape = (1 if grey else 4 if clear else 3, image.height, image.width)
        if first is None:
            first = (entry.name, shape)
        if shape != first[1]:
            here, there = (shape_text(sizes) for sizes in (shape, first[1]))
            raise ImageFolderError(
                f"images of two shapes in {root}: {first[0]} is {there}, {entry.name} is {here}; allowed: one size and mode"
            )
    if first is None:
        raise ImageFolderError(f"no images in {root}")
    return first[1]
