"""Any folder or .zip of images, with or without labels: decoded once into a file, then served as fast as from memory.

Sub-folders are labels where images lie in two or more of them and none beside them; a CSV or JSON file can tell labels
too. Folders ``train`` and ``test`` (or ``val``) at the top are the splits; without them all images are there to train and
to test with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from datamodules._decoding import Decoder
from datamodules._folder_scan import ImageFolderError, fingerprint, lay_out, open_source
from datamodules._headers import all_grey
from datamodules._image_cache import ImageCache
from datamodules._labels import read_labels
from datamodules._pictures import Pictures, check_cache_limit
from datamodules._pixels import check_resize
from datamodules.base import ImageDataModule

__all__ = ["ImageFolder"]


class ImageFolder(ImageDataModule):
    """Images of a folder or .zip, however deep, of any sizes and modes; hidden files and other files are not seen.

    A batch has "labels" only if there are labels. Images are decoded once, into a cache that all later runs use at once,
    in ``$LIGHTNING_GANS_CACHE/images``, else ``~/.cache/lightning-gans/images``; it may be deleted when nothing runs.

    Args:
        root: the folder or .zip; must be given.
        size: height and width in pixels, or "HxW".
        channels: of the images; "auto" = 1 if all files are grey, else 3. Alpha is laid on white, unless it is 4.
        resize: how images come to that size: crop scales the shorter side and takes the middle, pad fits the whole image
            in and puts black around, stretch changes the proportions.
        labels: "auto" = "folders" if images lie in two or more sub-folders and none beside them; "folders" = the name of
            the first sub-folder; "none"; or a file, as given or below the root: CSV with the header file,label, or JSON,
            {"FILE": LABEL} or {"labels": [["FILE", LABEL], ...]}. Labels are names, or numbers with -1 = unlabelled. A file may
            tell tags: CSV with the header file,tags (by semicolon) or file,TAG,TAG,... (columns of 0 and 1), or JSON,
            {"FILE": [TAG, ...]}; batches then have "tags".
        skip_broken: leave out images that cannot be decoded, with one warning, instead of refusing them.
        cache_limit: bytes that the decoded images may take on the disk, else the workers decode them for every batch;
            default 20 GB or half of what is free.
        flip: mirror images left to right with probability 1/2, drawn anew in every epoch.
        batch_size: images per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest with a cache.
        download: without meaning here.
        labels_per_class: how many training images of each class show their labels; None: all.
        labelled_fraction: share of a batch's rows, with ``labels_per_class``, that are labelled, drawn with repetition.
        seed: of the order, the flips and the choice of labels, in 0 .. 2**32 - 1.

    Raises:
        ValueError: an option outside what is allowed, or labels that do not fit the images.
        OSError: the folder cannot be read, holds no images, or holds a broken one.
    """

    classes = ()
    min_size = 1

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        size: int | str = 64,
        channels: Literal["auto", 1, 3, 4] = "auto",
        resize: Literal["crop", "pad", "stretch"] = "crop",
        labels: str | None = "auto",
        skip_broken: bool = False,
        cache_limit: int | None = None,
        flip: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        download: bool = True,
        labels_per_class: int | None = None,
        labelled_fraction: float = 0.5,
        seed: int = 0,
    ) -> None:
        if not root:
            raise ValueError("image_folder needs --data.root: a folder or a .zip of images")
        super().__init__(
            root=root,
            size=size,
            channels=channels,
            flip=flip,
            batch_size=batch_size,
            num_workers=num_workers,
            download=download,
            labels_per_class=labels_per_class,
            labelled_fraction=labelled_fraction,
            seed=seed,
        )
        check_resize(resize)
        check_cache_limit(cache_limit)
        self.resize = resize
        self.labels = labels
        self.skip_broken = skip_broken
        self.cache_limit = cache_limit
        self._channels = channels
        self._open()

    def _open(self) -> None:
        """List the images, read their labels, and headers as far as needed."""
        self._source = open_source(self.root)
        layout = lay_out(self._source.entries)
        self._names = [entry.name for entry in layout.entries]
        self._train, self._held_out = layout.train, layout.held_out
        self._files = fingerprint(self.root, layout.entries)
        found = read_labels(self._source, layout, self._label_file(layout.wrappers))
        self._labels = None if found is None else found[0]
        names = None if found is None else found[1]
        tagged = self._labels is not None and self._labels.dim() == 2
        self.tags, self.class_names = (names, None) if tagged else (None, names)
        self.num_classes = None if self.class_names is None else len(self.class_names)
        self.check_labels()
        self._grey: bool | None = None
        if self._channels == "auto":
            self._grey = self._all_grey()
            self.image_shape = (1 if self._grey else 3, *self.image_shape[1:])

    def _label_file(self, wrappers: list[str]) -> str | None:
        """What tells labels, as the option ``labels`` says it."""
        return self.labels

    @property
    def source(self) -> dict[str, Any] | None:
        """As of every data set."""
        source = super().source
        if source is not None:
            own = {"resize": self.resize, "labels": self.labels, "skip_broken": self.skip_broken}
            source["options"].update(own)
        return source

    def prepare_data(self) -> None:
        """Decode all images into the cache, unless that is done or they are too many for it.

        Raises:
            OSError: an image is broken, or the cache cannot be written.
        """
        self._pictures().prepare()

    def setup(self, stage: str | None = None) -> None:
        """Open the cache; build it if nobody called ``prepare_data``."""
        if hasattr(self, "test_dataset"):
            return
        pictures = self._pictures()
        about = pictures.prepare()
        if self.trainer is None or self.trainer.is_global_zero:
            pictures.warn(about, workers=self.num_workers)
        count, labels, train = len(self._names), self._labels, self._train
        if about is not None and about.broken:
            whole = [row for row, name in enumerate(self._names) if name not in about.broken]
            train = None if train is None else sum(row < train for row in whole)
            labels = None if labels is None else labels[whole]
            count = len(whole)
        if train == 0 or train == count:
            split = self._held_out if train else "train"
            raise ImageFolderError(f"all images in {self.root}/{split} are broken; allowed: one that is whole")
        self.train_dataset = pictures.dataset(about, labels, (0, train or count), flip=self.flip)
        self.test_dataset = pictures.dataset(about, labels, (train or 0, count))
        self.choose_labels()

    def _pictures(self) -> Pictures:
        decoder = Decoder(self._source, self.image_shape, self.resize)
        cache = self._cache(self.image_shape[0])
        return Pictures(self._source, cache, decoder, self.skip_broken, self.cache_limit, self._grey)

    def _cache(self, channels: int) -> ImageCache:
        return ImageCache(self._files, self._names, (channels, *self.image_shape[1:]), self.resize)

    def _all_grey(self) -> bool:
        """Whether all files are grey: as a cache tells, else by their headers up to the first that is not."""
        for channels, grey in ((1, True), (3, False)):
            about = self._cache(channels).about()
            if about is not None and about.grey is grey:
                return grey
        return all_grey(self._source, self._names, skip_broken=self.skip_broken)
