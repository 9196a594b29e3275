"""What a generator is told beside noise: a class an image, or tags, of which an image may have several.

Both travel as `labels`: a class as int64 (N,), tags as float (N, T) in {0, 1}. A batch has the one as "labels", the other as
"tags". Tags of colours of hair and of eyes exclude each other; all others stand by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.batch import Batch
from lightning_gans.core.adversarial import AdversarialModule
from lightning_gans.core.noise import Draw, draw, stream
from lightning_gans.registry import nearest

__all__ = ["EYE_COLOURS", "HAIR_COLOURS", "ConditionalModule", "check_range", "tag_groups"]

# fmt: off
HAIR_COLOURS = ("blonde", "brown", "black", "blue", "pink", "purple", "green", "red", "silver", "white", "orange", "aqua", "grey")
EYE_COLOURS = ("blue", "red", "brown", "green", "purple", "yellow", "pink", "aqua", "black", "orange")
# fmt: on
CPU = torch.device("cpu")
GROUPS = (
    frozenset(f"{colour} hair" for colour in HAIR_COLOURS),
    frozenset(f"{colour} eyes" for colour in EYE_COLOURS),
)
"""Tags of which an image has one: the colours of arXiv:1708.05509."""


def tag_groups(tags: Sequence[str]) -> list[list[int]]:
    """Places of the tags of which an image has exactly one: colours of hair, colours of eyes; where there are two or more."""
    groups = [[place for place, tag in enumerate(tags) if tag in group] for group in GROUPS]
    return [group for group in groups if len(group) > 1]


def check_range(labels: Tensor, least: int, num_classes: int, allowed: str) -> None:
    """Refuse labels (N,) outside `least` to num_classes - 1; waits for the device.

    Raises:
        ValueError: names the range found, and `allowed`.
    """
    low, high = (int(bound) for bound in torch.aminmax(labels))
    if low < least or high >= num_classes:
        raise ValueError(f"labels from {low} to {high}; {allowed}")


class TagPlaces(NamedTuple):
    """Places of tags in a row, as numbers and as what indexes a tensor."""

    groups: list[list[int]]
    """See `tag_groups`."""
    free: list[int]
    """Of the tags that stand by themselves."""
    group_indices: list[Tensor]
    """`groups`, each int64 on the device."""
    free_indices: Tensor
    """`free`, int64 on the device."""


@lru_cache(maxsize=16)  # tags are drawn in every turn, and a tensor made of numbers makes a GPU wait
def tag_places(tags: tuple[str, ...], device: torch.device) -> TagPlaces:
    """The places of some tags, for rows on a device."""
    groups = tag_groups(tags)
    grouped = {place for group in groups for place in group}
    free = [place for place in range(len(tags)) if place not in grouped]
    indices = [torch.tensor(places, dtype=torch.long, device=device) for places in (*groups, free)]
    return TagPlaces(groups, free, indices[:-1], indices[-1])


class ConditionalModule(AdversarialModule):
    """A model that may be told a class or tags: their names and places, how they are drawn and asked for."""

    conditional: bool = True
    """Whether the generator takes the class where there are classes (a semi-supervised one does not)."""
    tags: list[str] | None = None
    """Names of the tags, in the order of columns; None: the model knows none."""
    tag_chance: float = 0.25
    """Probability of each tag that stands by itself, where tags are drawn."""

    @property
    def condition(self) -> str | None:
        """The key of a batch that holds what the generator is told: "labels", "tags" or None."""
        if self.tags is not None:
            return "tags"
        return "labels" if self.conditional and self.num_classes is not None else None

    @property
    def is_conditional(self) -> bool:
        """Whether the generator takes labels (classes or tags)."""
        return self.condition is not None

    # ---------------------------------------------------------------- tags

    def draw_tags(self, n: int, source: Draw) -> Tensor:
        """Tags of `n` images, float (n, T) in {0, 1}, from a source of random numbers: of each group one, all as likely;
        every other tag by itself, with `tag_chance`."""
        places = self._places()
        uniform = (source((n, len(places.groups) + len(places.free)), "uniform") + 1.0) / 2.0  # U[0, 1)
        places = self._places(uniform.device)
        rows = torch.zeros(n, len(self.tags or ()), device=uniform.device)
        for column, group in enumerate(places.group_indices):
            chosen = (uniform[:, column : column + 1] * len(group)).long().clamp(max=len(group) - 1)  # (n, 1)
            rows.scatter_(1, group[chosen], 1.0)
        return rows.index_copy_(1, places.free_indices, (uniform[:, len(places.groups) :] < self.tag_chance).float())

    def _places(self, device: torch.device = CPU) -> TagPlaces:
        return tag_places(tuple(self.tags or ()), device)

    def set_tag(self, rows: Tensor, place: int) -> None:
        """Give all of `rows` (n, T) the tag of a place, in place; others of its group go."""
        places = self._places(rows.device)
        for group, indices in zip(places.groups, places.group_indices, strict=True):
            if place in group:
                rows.index_fill_(1, indices, 0.0)
        rows[:, place] = 1.0

    def named_tags(self, names: str | Sequence[str], indices: Iterable[int], seed: int) -> Tensor:
        """Tags of images `indices` of the set named `seed`, float (n, T), for which only some are named.

        The named ones are on and all others off, but a colour of hair or eyes that is not named is drawn: every image has one.

        Args:
            names: of tags; in one string by comma.
            indices: of the images.
            seed: names the set.

        Raises:
            ValueError: the model has no tags, no such tag (names the nearest), or two that exclude each other.
        """
        given = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        if self.tags is None:
            raise ValueError(f"tags for {type(self).__name__}, which was trained without tags")
        for name in given:
            if name not in self.tags:
                raise ValueError(nearest(name, self.tags, "tag"))
        rows = self.drawn_labels(indices, seed)
        places = self._places(rows.device)
        for group in places.groups:
            both = [self.tags[place] for place in group if self.tags[place] in given]
            if len(both) > 1:
                raise ValueError(f"tags '{both[0]}' and '{both[1]}'; allowed: one of them, they exclude each other")
        rows.index_fill_(1, places.free_indices, 0.0)
        for place, tag in enumerate(self.tags):
            if tag in given:
                self.set_tag(rows, place)
        return rows

    # ---------------------------------------------------------------- labels of images

    def drawn_labels(self, indices: Iterable[int], seed: int) -> Tensor:
        """What images `indices` of the set named `seed` are told where nobody asks for anything: classes in turn, int64 (n,), or
        tags drawn as in training, float (n, T); on CPU. Row i depends on (seed, indices[i]) only.

        Raises:
            ValueError: the model is told nothing.
        """
        if self.tags is None:
            if self.num_classes is None:
                raise ValueError(f"labels for {type(self).__name__}, which was trained without classes")
            return torch.tensor(list(indices), dtype=torch.long) % self.num_classes
        generator = torch.Generator()

        def source(shape: tuple[int, ...], distribution: str) -> Tensor:
            return draw(shape, distribution, generator)

        rows = [torch.empty(0, len(self.tags))]
        for index in indices:
            generator.manual_seed(stream(seed, index, 1))  # beside the latents' stream
            rows.append(self.draw_tags(1, source))
        return torch.cat(rows)

    def given_labels(self, n: int, labels: Sequence[int] | Tensor) -> Tensor:
        """Labels that were asked for, checked and cycled to `n`: int64 (n,) or float (n, T).

        Raises:
            ValueError: labels outside the classes, tags of another number or outside [0, 1], or a model that takes none.
        """
        if not self.is_conditional:
            raise ValueError(f"labels for {type(self).__name__}, which was trained without classes")
        turn = torch.arange(n)
        if self.tags is not None:
            rows = torch.as_tensor(labels, dtype=torch.float32)
            if rows.dim() != 2 or not len(rows) or rows.shape[1] != len(self.tags):
                shape = tuple(rows.shape)
                raise ValueError(
                    f"labels of shape {shape} for {type(self).__name__}, which was trained with tags; allowed: rows of "
                    f"{len(self.tags)} tags, (n, {len(self.tags)})"
                )
            if not (rows.min() >= 0.0 and rows.max() <= 1.0):
                raise ValueError(f"tags from {rows.min():.4g} to {rows.max():.4g}; allowed: 0 to 1")
            return rows[turn % len(rows)]
        given = torch.as_tensor(labels, dtype=torch.long).flatten()
        classes = self.num_classes or 0
        if not len(given) or given.min() < 0 or given.max() >= classes:
            raise ValueError(f"labels {sorted(set(given.tolist()))}; allowed: 0 to {classes - 1}")
        return given[turn % len(given)]

    def check_labels(self, batch: Batch) -> None:
        """Refuse a batch without what a conditional generator is told.

        Raises:
            ValueError: no labels or ones outside the classes; no tags, or of another number.
        """
        if self.condition == "tags":
            count = len(self.tags or [])
            allowed = f"allowed: tags (N, {count}) in {{0, 1}}"
            if "tags" not in batch:
                raise ValueError(f"a batch without tags for a model with tags; {allowed}")
            if batch["tags"].dim() != 2 or batch["tags"].shape[1] != count:
                raise ValueError(f"tags of shape {tuple(batch['tags'].shape)}; {allowed}")
            return
        if self.condition is None:
            return
        allowed = f"allowed: a label an image, 0 to {(self.num_classes or 0) - 1}"
        if "labels" not in batch:
            raise ValueError(f"a batch without labels for a model with classes; {allowed}")
        check_range(batch["labels"], 0, self.num_classes or 0, allowed)
