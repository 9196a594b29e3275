"""``lightning-gans translate``: pictures through a trained generator. Flags are read without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lightning_gans.cli.errors import UsageError, say
from lightning_gans.cli.imports import quick_imports
from lightning_gans.cli.parsing import CommandParser, positive

if TYPE_CHECKING:
    from torch import Tensor

    from lightning_gans.core.translating import TranslatingModule

__all__ = ["translate"]

DIRECTIONS = ("AtoB", "BtoA")
TURNED = 5  # orientations that a camera notes, from here on by a quarter


def translate(arguments: list[str]) -> int:
    """Write one PNG for each picture, of the same stem; returns the exit code."""
    parser = CommandParser(
        prog="lightning-gans translate", description="Translate pictures of any size.", allow_abbrev=False
    )
    parser.add_argument(
        "checkpoint", metavar="CKPT", help="a checkpoint, such as runs/cyclegan-digit_domains/1/checkpoints/last.ckpt"
    )
    parser.add_argument("--input", required=True, metavar="FILE|FOLDER", help="a picture, or a folder of pictures")
    parser.add_argument("--direction", metavar="AtoB|BtoA", help="which way; a Pix2Pix has learned one of them")
    parser.add_argument("--out", required=True, metavar="DIR", help="a folder: one PNG a picture, of the same stem")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that is not empty")
    parser.add_argument(
        "--tile",
        type=positive,
        help="cut large pictures into overlapping tiles of so many pixels a side; statistics of instance norm then come from the "
        "picture shrunk to a tile, and a U-Net sees no further than a tile (default: off, whole pictures)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of dropout, where a model keeps it (default 0)")
    parser.add_argument("--raw", action="store_true", help="the generator itself, not its running average")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, ...; default: cuda where there is one")
    options = parser.parse_args(arguments)
    if options.direction is None:
        raise UsageError("which direction? --direction AtoB or --direction BtoA")
    if options.direction not in DIRECTIONS:
        raise UsageError(f"--direction {options.direction}: allowed: {', '.join(DIRECTIONS)}")
    pictures = _find(Path(options.input))
    out = Path(options.out)
    if out.is_file():
        raise UsageError(f"--out {out}: is a file; allowed: a folder")
    if out.is_dir() and any(out.iterdir()) and not options.overwrite:
        raise UsageError(f"--out {out}: the folder is not empty; --overwrite writes into it all the same")
    with quick_imports():
        from tqdm import tqdm

        from lightning_gans.cli.drawing import find_device, write_picture
        from lightning_gans.core.loading import load
        from lightning_gans.core.translating import TranslatingModule

    device = find_device(options.device)
    module = load(options.checkpoint)
    if not isinstance(module, TranslatingModule):
        raise UsageError(
            f"checkpoint '{options.checkpoint}' holds model '{module.model_name}', which draws from noise: lightning-gans generate"
        )
    module.check_use(options.direction, options.tile)
    for path in pictures.values():  # all headers before anything is written
        try:
            module.check_use(options.direction, options.tile, _size(path))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    module.to(device)
    for stem in tqdm(pictures, unit="picture"):
        image = _read(pictures[stem], module, options.direction)
        outputs = module.translate(image, options.direction, ema=not options.raw, seed=options.seed, tile=options.tile)
        write_picture(outputs[0], out / f"{stem}.png")
    say(f"{len(pictures)} pictures in {out}")
    return 0


def _find(given: Path) -> dict[str, Path]:
    """Pictures by the stem that their translations get, with the folders below the given one.

    Raises:
        UsageError: there is nothing, or two pictures of one stem.
    """
    if not given.exists():
        raise UsageError(f"--input {given}: no such file or folder")
    from datamodules._folder_scan import open_source
    from datamodules._pixels import EXTENSIONS

    if given.is_file():
        if given.suffix.lower() not in EXTENSIONS:
            raise UsageError(f"--input {given}: is no picture; allowed: {', '.join(EXTENSIONS)}, or a folder of them")
        return {given.stem: given}
    try:
        names = [entry.name for entry in open_source(given).entries]
    except OSError as error:
        raise UsageError(f"--input: {error}") from error
    found: dict[str, Path] = {}
    for name in names:
        stem = name.rpartition(".")[0]
        if stem in found:
            raise UsageError(f"--input {given}: {found[stem].name} and {Path(name).name} would both become {stem}.png")
        found[stem] = given / name
    return found


def _read(path: Path, module: TranslatingModule, direction: str) -> Tensor:
    """One picture in its own size: uint8 (1, C, H, W), C as the direction takes it.

    Raises:
        OSError: it cannot be read.
    """
    import torch

    from datamodules._pixels import load, to_pixels

    channels = module.shapes(direction)[0][0]
    try:
        image = load(path.read_bytes(), channels)
        pixels = to_pixels(image, (image.height, image.width), "stretch")
    except Exception as error:  # Pillow raises whatever it stumbles upon
        raise _unreadable(path, error) from error
    return torch.from_numpy(pixels.copy())[None]


def _size(path: Path) -> tuple[int, int]:
    """Height and width of a picture as it is shown, from its header.

    Raises:
        OSError: it cannot be read.
    """
    from PIL import ExifTags, Image

    from datamodules._pixels import FORMATS

    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= TURNED
    except Exception as error:
        raise _unreadable(path, error) from error
    return (width, height) if turned else (height, width)


def _unreadable(path: Path, error: Exception) -> OSError:
    return OSError(f"cannot read picture {path}: {' '.join(str(error).split())}")
