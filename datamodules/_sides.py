"""Where images of two kinds, A and B, lie below a folder or in a .zip: the layouts of Pix2Pix's and CycleGAN's data sets."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path

from datamodules._folder_scan import HELD_OUT, Entry, ImageFolderError, ImageSource
from datamodules._pixels import EXTENSIONS

__all__ = ["Pile", "Split", "even", "match", "one_side", "two_sides"]

SIDES = (("trainA", "trainB"), ("A", "B"))


@dataclass(frozen=True)
class Pile:
    """Images of one kind and split, however deep below one folder.

    Attributes:
        source: where they are.
        prefix: the folder's path below the source, with a slash at its end; "" for the source itself.
        entries: the images, sorted by name.
    """

    source: ImageSource
    prefix: str
    entries: list[Entry]

    @property
    def place(self) -> Path:
        """The folder."""
        return self.source.root / self.prefix

    @property
    def names(self) -> list[str]:
        """Names of the images below the source."""
        return [entry.name for entry in self.entries]

    def stems(self) -> dict[str, str]:
        """Names below the source by names below the folder without extension.

        Raises:
            ImageFolderError: two images differ in their extension alone.
        """
        found: dict[str, str] = {}
        for name in self.names:
            stem = posixpath.splitext(name[len(self.prefix) :])[0]
            if stem in found:
                raise ImageFolderError(f"two images called {stem} in {self.place}: {found[stem]}, {name}; allowed: one")
            found[stem] = name
        return found


@dataclass(frozen=True)
class Split:
    """Images to train and to test with; ``test`` is None if no folder says which."""

    train: Pile
    test: Pile | None


def one_side(source: ImageSource) -> Split:
    """The images of a folder or .zip, by its folders train and test (or val); without them all are to train with."""
    return _split(source, _unwrapped(source))


def two_sides(source: ImageSource) -> tuple[Split, Split] | None:
    """Sides A and B of one folder or .zip, by folders trainA, trainB, testA, testB, or by A and B.

    Returns:
        None for another layout.

    Raises:
        ImageFolderError: a side has no images, or only one has some to test with.
    """
    prefix = _unwrapped(source)
    folders = _folders(source, prefix)
    for first, second in SIDES:
        if not {first, second} & folders:
            continue
        if first == "A":
            return even(_split(source, f"{prefix}A/"), _split(source, f"{prefix}B/"))
        held_out = next((name for name in HELD_OUT if {f"{name}A", f"{name}B"} & folders), None)
        a, b = (
            Split(
                _pile(source, f"{prefix}train{side}/"),
                None if held_out is None else _pile(source, f"{prefix}{held_out}{side}/"),
            )
            for side in "AB"
        )
        return a, b
    return None


def even(a: Split, b: Split) -> tuple[Split, Split]:
    """Two sides as they are, if both or neither have images to test with.

    Raises:
        ImageFolderError: only one of them has.
    """
    if (a.test is None) != (b.test is None):
        there, lacks = (a, b) if b.test is None else (b, a)
        raise ImageFolderError(
            f"images to test with in {there.test and there.test.place}, none beside {lacks.train.place}; allowed: both or neither"
        )
    return a, b


def match(a: Pile, b: Pile) -> dict[str, str]:
    """Names of B's images by the names of A's that they belong to: those of the same name, whatever the extension.

    Raises:
        ImageFolderError: an image without a partner; all such are told.
    """
    first, second = a.stems(), b.stems()
    alone = [(a, sorted(set(first) - set(second)), first), (b, sorted(set(second) - set(first)), second)]
    if told := [_without_partner(pile, stems, names) for pile, stems, names in alone if stems]:
        raise ImageFolderError(f"images without a partner of their name: {'; '.join(told)}")
    return {first[stem]: second[stem] for stem in first}


def _without_partner(pile: Pile, stems: list[str], names: dict[str, str]) -> str:
    shown = ", ".join(names[stem][len(pile.prefix) :] for stem in stems[:10])
    more = f" and {len(stems) - 10} more" if len(stems) > 10 else ""
    return f"{shown}{more} in {pile.place}"


def _split(source: ImageSource, prefix: str) -> Split:
    """The splits of a folder."""
    folders = _folders(source, prefix)
    if "train" not in folders:
        return Split(_pile(source, prefix), None)
    held_out = next((name for name in HELD_OUT if name in folders), None)
    test = None if held_out is None else _pile(source, f"{prefix}{held_out}/")
    return Split(_pile(source, f"{prefix}train/"), test)


def _pile(source: ImageSource, prefix: str) -> Pile:
    found = Pile(source, prefix, [entry for entry in source.entries if entry.name.startswith(prefix)])
    if not found.entries:
        raise ImageFolderError(f"no images in {found.place}; allowed: {', '.join(EXTENSIONS)}")
    return found


def _folders(source: ImageSource, prefix: str) -> set[str]:
    """Names of the folders right below one that hold images; "" if images lie right in it."""
    below = (entry.name[len(prefix) :] for entry in source.entries if entry.name.startswith(prefix))
    return {name.partition("/")[0] if "/" in name else "" for name in below}


def _unwrapped(source: ImageSource) -> str:
    """The prefix below which a layout begins: a .zip often has a folder that holds everything."""
    known = {"train", *HELD_OUT, *(name for names in SIDES for name in names)}
    prefix = ""
    while True:
        folders = _folders(source, prefix)
        if len(folders) != 1 or "" in folders or folders & known:
            return prefix
        prefix += f"{folders.pop()}/"
