"""Using models from images to images: any size in, large pictures in tiles, strips of pictures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_gans.batch import Batch, normalize_batch, shape_text
from lightning_gans.core.modes import evaluating
from lightning_gans.core.noise import stream
from lightning_gans.core.reference_weights import ReferenceWeights
from lightning_gans.core.tiling import tiled

__all__ = ["DIRECTIONS", "TranslatingModule"]

DIRECTIONS = ("AtoB", "BtoA")


class TranslatingModule(ReferenceWeights):
    """Generators of images from images.

    A model names the two keys of its batches (`keys`), the ways it has learned (`directions`, the first from the first key's
    images, of `source_shape`, to the second's) and each way's network (`translator`); a network's outputs have its inputs' sides.
    """

    keys: ClassVar[tuple[str, str]]
    """Of a batch: what the first direction starts from, and what it is to give."""
    directions: tuple[str, ...]
    source_shape: tuple[int, int, int]
    target_shape: tuple[int, int, int]
    rows_apart: bool = True
    """Whether an image's translation does not depend on what else is in its batch, nor on dropout."""

    odd_sides: str = "pad"
    """What happens to images whose sides a generator does not take: "pad" or "refuse"."""
    _examples: Batch | None = None

    def set_shapes(self, source_shape: tuple[int, int, int], target_shape: tuple[int, int, int]) -> None:
        """Keep both shapes; `image_shape` is that of the images which the (first) generator makes."""
        self.source_shape = (source_shape[0], source_shape[1], source_shape[2])
        self.target_shape = (target_shape[0], target_shape[1], target_shape[2])
        self.image_shape = self.shapes(self.directions[0])[1]

    def shapes(self, direction: str) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Shapes (C, H, W) of the inputs and outputs of a direction, as trained."""
        pair = (self.source_shape, self.target_shape)
        return pair if direction == self.directions[0] else pair[::-1]

    def translator(self, direction: str, ema: bool = False) -> nn.Module:
        """The generator of a direction, or its running average where there is one."""
        raise NotImplementedError

    def run(self, network: nn.Module, images: Tensor) -> Tensor:
        """(N, C, H, W) through a generator, in training its compiled copy: sides it does not take are padded, and the result is
        cropped.

        Raises:
            ValueError: such sides, with `odd_sides` "refuse".
        """
        return self._cropped(self.fast(network), network, images)

    def forward(self, images: Tensor, direction: str | None = None) -> Tensor:
        """Translations (N, D, H, W) of the raw generator, as it stands (training or evaluation mode)."""
        return self.run(self.translator(direction or self.directions[0]), images)

    def translate(
        self,
        images: Tensor,
        direction: str | None = None,
        *,
        ema: bool = True,
        seed: int = 0,
        batch_size: int = 16,
        tile: int | None = None,
    ) -> Tensor:
        """Translate images of any size; touches neither the global random state nor the model.

        Args:
            images: (N, C, H, W), uint8, or float in [-1, 1].
            direction: AtoB or BtoA; None: the first that was learned, AtoB of a model that has both.
            ema: use the running average of the generator, if there is one.
            seed: of dropout, where a model has it at this time: row i depends on (seed, i) and its image only.
            batch_size: images a pass.
            tile: cut larger pictures into overlapping tiles of so many pixels a side. Statistics of norms come from a pass of the
                whole picture, shrunk; a U-Net sees no further than a tile.

        Returns:
            float32 (N, D, H, W) in [-1, 1] on CPU.

        Raises:
            ValueError: a direction that this model has not learned, another number of channels, or sides it does not take.
        """
        direction = self.directions[0] if direction is None else direction
        self.check_use(direction, tile)
        wanted = self.shapes(direction)[0][0]
        given = normalize_batch(images)["images"]
        if given.shape[1] != wanted:
            raise ValueError(
                f"images of {given.shape[1]} channels; direction {direction} of this model takes {wanted} "
                "(1 grey, 3 RGB, 4 RGBA)"
            )
        network = self.translator(direction, ema)
        size = batch_size if self.rows_apart and tile is None else 1

        def call(rows: Tensor) -> Tensor:
            return network(rows) if tile is None else tiled(network, network, rows, tile, *_limits(network))

        cuda = self.device.type == "cuda"
        translated = []
        with torch.no_grad(), torch.random.fork_rng([self.device] if cuda else []), self.as_used(network):
            for start in range(0, len(given), size):
                number = stream(seed, start)
                torch.default_generator.manual_seed(number)  # torch.manual_seed would seed every GPU
                if cuda:
                    with torch.cuda.device(self.device):  # of several it seeds the current one
                        torch.cuda.manual_seed(number)
                rows = given[start : start + size].to(self.device, memory_format=self._memory_format)
                outputs = self._cropped(call, network, rows)
                translated.append(outputs.float().clamp(-1.0, 1.0).cpu().contiguous())
        channels = self.shapes(direction)[1][0]
        return torch.cat(translated) if translated else torch.empty(0, channels, *given.shape[2:])

    def as_used(self, network: nn.Module) -> AbstractContextManager[Any]:
        """The network as it is used after training: in evaluation mode, unless the paper says otherwise."""
        return evaluating(network)

    def predict_step(self, batch: Any, batch_idx: int = 0) -> Tensor:
        """Translations of a batch's images (of the first key, or "images") by the first direction."""
        named = normalize_batch(batch)
        return self.translate(named[self.keys[0]] if self.keys[0] in named else named["images"])

    def show(self, batch: Any) -> None:
        """Keep the images of a batch for `pictures`."""
        named = normalize_batch(batch, check=False)
        self._examples = {key: named[key].cpu() for key in self.keys}

    def pictures(self, n: int, *, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        """Strips of what `show` kept: input, output, the way back if there is one, and an image of the other domain (of a pair, the
        target); each way in turn.

        Args:
            n: pictures in all strips, at most, but one strip a way at least.
            seed: of `translate`.
            labels: none.

        Returns:
            float32 (m, C, H, k * W), k 3 or 4; fewer channels are repeated, alpha is opaque.

        Raises:
            ValueError: nothing was shown.
        """
        if self._examples is None:
            raise ValueError(f"{type(self).__name__} has no images to show; allowed: show(batch) before pictures(n)")
        both = len(self.directions) > 1
        tiles = 4 if both else 3
        rows = max(1, n // (tiles * len(self.directions)))
        columns: list[list[Tensor]] = []
        for direction in self.directions:
            first, second = self.keys if direction == self.directions[0] else self.keys[::-1]
            inputs, target = self._examples[first][:rows], self._examples[second][:rows]
            output = self.translate(inputs, direction, seed=seed)
            back = DIRECTIONS[1 - DIRECTIONS.index(direction)]
            columns.append([inputs, output, *([self.translate(output, back, seed=seed)] if both else []), target])
        every = [image for strip in columns for image in strip]
        channels, height, width = (max(image.shape[axis] for image in every) for axis in (1, 2, 3))
        strips = [torch.cat([_like(image, channels, height, width) for image in strip], dim=3) for strip in columns]
        return torch.stack(strips, dim=1).flatten(0, 1)  # (rows, ways, C, H, k W) -> (rows * ways, C, H, k W)

    # ---------------------------------------------------------------- sides

    def check_use(self, direction: str, tile: int | None = None, size: tuple[int, int] | None = None) -> None:
        """Refuse what `translate` cannot do, before it is begun.

        Args:
            direction: AtoB or BtoA.
            tile: pixels a side.
            size: height and width of a picture.

        Raises:
            ValueError: a direction that this model has not learned, a tile or sides that its generator does not take.
        """
        if direction not in DIRECTIONS:
            raise ValueError(f"direction '{direction}'; allowed: {', '.join(DIRECTIONS)}")
        if direction not in self.directions:
            (learned,) = self.directions
            raise ValueError(
                f"direction {direction} of a {type(self).__name__} that learned {learned}; allowed: {learned}"
            )
        network = self.translator(direction)
        multiple, least = _limits(network)
        low = max(multiple, least)
        if tile is not None and (tile % multiple or tile < low):
            near = max(low, round(tile / multiple) * multiple)
            raise ValueError(f"tile={tile}; allowed: multiples of {multiple} from {low} up, such as {near}")
        if size is not None:
            self._check_sides(network, *size)

    def _check_sides(self, network: nn.Module, height: int, width: int) -> None:
        if self.odd_sides == "refuse" and (height, width) != _sides(network, height, width):
            multiple, least = _limits(network)
            fitting = shape_text(_sides(network, height, width))
            start = f" from {least} up" if least > multiple else ""
            raise ValueError(
                f"images of {height}x{width}; this generator takes multiples of {multiple}{start}, such as {fitting}; "
                "allowed: those, or odd_sides 'pad'"
            )

    def _padded(self, network: nn.Module, images: Tensor) -> tuple[Tensor, int, int]:
        """Images of sides that a generator takes, and where the given ones begin in them."""
        height, width = images.shape[2:]
        self._check_sides(network, height, width)
        rows, columns = (new - old for new, old in zip(_sides(network, height, width), (height, width), strict=True))
        if not rows and not columns:
            return images, 0, 0
        top, left = rows // 2, columns // 2
        border = (left, columns - left, top, rows - top)
        mode = "reflect" if rows - top < height and columns - left < width else "replicate"
        return F.pad(images, border, mode=mode), top, left

    def _cropped(self, call: Callable[[Tensor], Tensor], network: nn.Module, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        padded, top, left = self._padded(network, images)
        outputs = call(padded)
        return outputs if padded is images else outputs[:, :, top : top + height, left : left + width]


def _limits(network: nn.Module) -> tuple[int, int]:
    """What a generator's sides are multiples of, and the smallest."""
    return int(network.multiple), int(network.least)  # type: ignore[arg-type]


def _sides(network: nn.Module, height: int, width: int) -> tuple[int, int]:
    """The smallest sides not below these that a generator takes."""
    multiple, least = _limits(network)
    above, beside = (-(-max(side, least) // multiple) * multiple for side in (height, width))
    return above, beside


def _like(images: Tensor, channels: int, height: int, width: int) -> Tensor:
    """(N, C, h, w) with `channels` channels, black around it to (N, channels, height, width)."""
    if images.shape[1] == 1 and channels > 1:
        images = images.expand(-1, 3, -1, -1)
    if images.shape[1] < channels:
        images = torch.cat([images, torch.ones_like(images[:, :1])], dim=1)
    rows, columns = height - images.shape[2], width - images.shape[3]
    border = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    return F.pad(images, border, value=-1.0)
