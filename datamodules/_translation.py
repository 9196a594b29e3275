"""What folders of pairs and folders of two domains share: sides A and B, sizes, crops, and the caches of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from datamodules._dataset import ImageDataset
from datamodules._folder_scan import open_source
from datamodules._headers import all_grey
from datamodules._jitter import Jitter
from datamodules._pictures import Pictures, check_cache_limit
from datamodules._pixels import check_resize
from datamodules._sampler import PositionSampler
from datamodules._sides import Pile, Split, even, one_side, two_sides
from datamodules.base import ImageDataModule, parse_size

__all__ = ["Shape", "TranslationFolder", "check_direction", "order_shapes"]

Shape = tuple[int, int, int]
DIRECTIONS = ("AtoB", "BtoA")


def check_direction(direction: str) -> None:
    """Raises ValueError for what is no direction."""
    if direction not in DIRECTIONS:
        raise ValueError(f"direction {direction!r}; allowed: {', '.join(map(repr, DIRECTIONS))}")


def order_shapes(a: Shape, b: Shape, direction: str) -> tuple[Shape, Shape]:
    """The shapes of A and B as those of source and target."""
    return (b, a) if direction == "BtoA" else (a, b)


class TranslationFolder(ImageDataModule):
    """Images of two kinds, A and B, from folders or .zip files.

    They are kept in ``load_size``, of which training shows random crops of ``size``; test images are brought to ``size`` at once.
    A data set writes ``find``, ``channel_counts``, ``pictures`` and ``join``.
    """

    classes = ()
    min_size = 1
    direction: str = "AtoB"
    source_shape: Shape
    target_shape: Shape

    def __init__(
        self,
        *,
        root: str | Path | None,
        root_a: str | Path | None,
        root_b: str | Path | None,
        size: int | str,
        channels: Literal["auto", 1, 3, 4],
        resize: str,
        load_size: int | str | None,
        skip_broken: bool,
        cache_limit: int | None,
        flip: bool,
        batch_size: int,
        num_workers: int,
        download: bool,
        seed: int,
    ) -> None:
        self.roots = self._given(root, root_a, root_b)
        super().__init__(
            root=root,
            size=size,
            channels=channels,
            flip=flip,
            batch_size=batch_size,
            num_workers=num_workers,
            download=download,
            seed=seed,
        )
        check_resize(resize)
        check_cache_limit(cache_limit)
        self.num_classes = self.class_names = None
        self.resize, self.skip_broken, self.cache_limit = resize, skip_broken, cache_limit
        self._channels = channels
        height, width = self.image_shape[1:]
        kept = (_enlarged(height), _enlarged(width)) if load_size is None else parse_size(load_size, 1)
        if kept[0] < height or kept[1] < width:
            raise ValueError(f"load_size {load_size}; allowed: size {size} or more")
        self.load_size = load_size
        self._jitter = Jitter(kept, (height, width), flip)
        self._still = Jitter((height, width), (height, width))
        self.open()

    def open(self) -> None:
        """List the images, and read headers as far as needed."""
        self.find()
        self._counts = a, b = self.channel_counts()
        size = self._jitter.shown
        self.source_shape, self.target_shape = order_shapes((a, *size), (b, *size), self.direction)
        self.image_shape = self.target_shape

    def _given(
        self, root: str | Path | None, root_a: str | Path | None, root_b: str | Path | None
    ) -> tuple[Path, Path] | None:
        """The folders of A and B, if there are two."""
        if root_a and root_b and not root:
            return Path(root_a).expanduser(), Path(root_b).expanduser()
        if root and not (root_a or root_b):
            return None
        given = [key for key, value in (("root", root), ("root_a", root_a), ("root_b", root_b)) if value]
        raise ValueError(
            f"{type(self).__module__.rpartition('.')[2]} needs --data.root, a folder or .zip of both sides, or --data.root_a and "
            f"--data.root_b; given: {', '.join(given) or 'none of them'}"
        )

    def sides(self) -> tuple[Split, Split | None]:
        """A and B, if they lie apart; else all images, and None: there is one folder, which does not tell them apart.

        Raises:
            OSError: a folder cannot be read, or a side has no images.
        """
        if self.roots is None:
            source = open_source(self.root)
            return two_sides(source) or (one_side(source), None)
        a, b = self.roots
        return even(one_side(open_source(a)), one_side(open_source(b)))

    def find(self) -> None:
        """List the images.

        Raises:
            OSError: they are missing, or do not lie as they should.
        """
        raise NotImplementedError

    def channel_counts(self) -> tuple[int, int]:
        """Channels of A and of B."""
        raise NotImplementedError

    def pictures(self, size: tuple[int, int], *, train: bool) -> list[Pictures]:
        """The images of a split in a size, in the order that ``join`` wants."""
        raise NotImplementedError

    def join(self, parts: list[ImageDataset], jitter: Jitter, *, train: bool) -> ImageDataset:
        """The data set of a split."""
        raise NotImplementedError

    def channels_of(self, pile: Pile) -> int:
        """Of the images that are made of a pile."""
        if self._channels != "auto":
            return self._channels
        return 1 if all_grey(pile.source, pile.names, skip_broken=self.skip_broken) else 3

    @property
    def source(self) -> dict[str, Any] | None:
        """As of every data set."""
        source = super().source
        if source is not None:
            own = ("resize", "load_size", "skip_broken")
            source["options"].update(channels=self._channels, **{name: getattr(self, name) for name in own})
            if self.roots is not None:
                a, b = self.roots
                source["options"].update(root_a=str(a.resolve()), root_b=str(b.resolve()))
        return source

    def prepare_data(self) -> None:
        """Decode all images into caches, unless that is done or they are too many.

        Raises:
            OSError: an image is broken, or a cache cannot be written.
        """
        for pictures in (*self._pictures(train=True), *self._pictures(train=False)):
            pictures.prepare()

    def setup(self, stage: str | None = None) -> None:
        """Open the caches; build them if nobody called ``prepare_data``."""
        if hasattr(self, "test_dataset"):
            return
        self.train_dataset = self._joined(train=True)
        self.test_dataset = self._joined(train=False)

    def _pictures(self, *, train: bool) -> list[Pictures]:
        return self.pictures((self._jitter if train else self._still).kept, train=train)

    def _joined(self, *, train: bool) -> ImageDataset:
        parts = []
        for pictures in self._pictures(train=train):
            about = pictures.prepare()
            if train and (self.trainer is None or self.trainer.is_global_zero):
                pictures.warn(about, workers=self.num_workers)
            parts.append(pictures.dataset(about))
        return self.join(parts, self._jitter if train else self._still, train=train)

    def _sampler_options(self) -> tuple[type[PositionSampler], dict[str, Any]]:
        return self.sampler_class, {"crops": self._jitter.crops}


def _enlarged(side: int) -> int:
    """The side of which the authors crop: 286 pixels for 256, 143 for 128."""
    return round(side * 286 / 256)
