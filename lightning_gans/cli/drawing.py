"""Images from a loaded model to files: a batch at a time, so that any number fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from lightning_gans.analysis.interpolation import closed_walk
from lightning_gans.batch import to_uint8
from lightning_gans.cli.errors import UsageError
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.loading import load
from lightning_gans.core.pictures import save_grid
from lightning_gans.core.writing import whole_file

__all__ = ["check_out", "find_device", "load_sampler", "write_images", "write_picture", "write_walk"]

FRAME_MILLISECONDS = 80
WALK_BATCH = 64


def check_out(out: Path, overwrite: bool) -> None:
    """Raises UsageError if images cannot go there: a folder that is not empty, a file where a folder is meant."""
    if out.suffix.lower() in (".png", ".npy"):
        if out.is_dir():
            raise UsageError(
                f"--out {out}: is a folder; allowed: a file *.png or *.npy, or a folder without that ending"
            )
    elif out.is_file():
        raise UsageError(f"--out {out}: is a file; allowed: *.png, *.npy or a folder")
    elif out.is_dir() and any(out.iterdir()) and not overwrite:
        raise UsageError(f"--out {out}: the folder is not empty; --overwrite writes into it all the same")


def find_device(device: str) -> str:
    """The device of ``--device``; auto: cuda where there is one.

    Raises:
        UsageError: no such device.
    """
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch raises all three
        raise UsageError(f"--device {device}: no such device here; allowed: auto, cpu, cuda or cuda:N") from error
    return name


def load_sampler(checkpoint: str, device: str) -> LatentModule:
    """The model of a checkpoint, on a device, if it draws images from noise.

    Raises:
        UsageError: no such device.
        ValueError: the model needs images to start from.
        OSError, ValueError: the checkpoint cannot be read, or is none of ours.
    """
    name = find_device(device)
    module = load(checkpoint)
    if not isinstance(module, LatentModule):
        raise ValueError(
            f"checkpoint '{checkpoint}' holds model '{module.model_name}', which draws from images, not noise: "
            "lightning-gans translate"
        )
    return module.to(name)


def write_images(
    batches: Iterable[Tensor], n: int, image_shape: tuple[int, int, int], out: Path, columns: int | None = None
) -> None:
    """Write n images, float32 (B, C, H, W) in [-1, 1] a batch, in the form that the name of ``out`` asks for.

    `columns`: images a row of a grid; None brings it nearest to a square.
    """
    shown = _with_bar(batches, n)
    if out.suffix.lower() == ".png":
        save_grid(torch.cat(list(shown)), out, columns=columns)
    elif out.suffix.lower() == ".npy":
        _write_array(shown, (n, *image_shape), out)
    else:
        out.mkdir(parents=True, exist_ok=True)
        for index, image in enumerate(image for batch in shown for image in to_uint8(batch)):
            _picture(image).save(out / f"{index:06d}.png")


def write_picture(image: Tensor, out: Path) -> None:
    """Write one image, float32 (C, H, W) in [-1, 1], as a PNG; its folder is made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    _picture(to_uint8(image)).save(out)


def write_walk(module: LatentModule, n: int, steps: int, seed: int, ema: bool, bn: str, out: Path) -> None:
    """Write a closed walk through n latents: rows with both ends (``*.png``), or a film without a jump (``*.gif``)."""
    film = out.suffix.lower() == ".gif"
    latents, labels = closed_walk(module, n, steps, seed, ends=not film)

    def rendered() -> Iterator[Tensor]:
        for start in range(0, len(latents), WALK_BATCH):
            part = slice(start, start + WALK_BATCH)
            yield module.render(latents[part], None if labels is None else labels[part], ema=ema, bn=bn)

    images = torch.cat(list(_with_bar(rendered(), len(latents))))
    if not film:
        save_grid(images, out, columns=steps)
        return
    frames = [_picture(image) for image in to_uint8(images)]
    out.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=FRAME_MILLISECONDS, loop=0)


def _write_array(batches: Iterable[Tensor], shape: tuple[int, ...], out: Path) -> None:
    """A ``.npy`` file written as images come, under its name only once it is whole."""
    with whole_file(out) as part:
        array: Any = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        start = 0
        for batch in batches:
            array[start : start + len(batch)] = to_uint8(batch).numpy()
            start += len(batch)
        array.flush()
        del array


def _with_bar(batches: Iterable[Tensor], n: int) -> Iterator[Tensor]:
    with tqdm(total=n, unit="image") as bar:  # on stderr
        for batch in batches:
            yield batch
            bar.update(len(batch))


def _picture(image: Tensor) -> Image.Image:
    """uint8 (C, H, W) with 1, 3 or 4 channels as grey, RGB or RGBA."""
    pixels = image.squeeze(0) if len(image) == 1 else image.permute(1, 2, 0)  # (H, W) or (H, W, C)
    return Image.fromarray(pixels.contiguous().numpy())
