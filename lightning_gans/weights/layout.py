"""A layout of another project's state dict: where each of our tensors stands in it, and what of it only repeats others.

One table serves both ways. Every tensor of a file is used exactly once, or follows from others; shapes must agree but for
dimensions of 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lightning_gans.batch import shape_text

__all__ = ["Layout", "Place", "convert", "export"]


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _nothing(state: Mapping[str, Tensor]) -> None:
    """Nothing to check."""


class Place(NamedTuple):
    """Where one of our tensors stands."""

    keys: tuple[str, ...]
    """The names it may have there; a file has one of them."""
    part: int = 0
    """Which of `parts` equal parts of the second dimension it is."""
    parts: int = 1
    ours: Callable[[Tensor], Tensor] = _same
    """Theirs -> ours, where numbers stand in another order."""
    theirs: Callable[[Tensor], Tensor] = _same
    """Ours -> theirs."""


class Layout(NamedTuple):
    """One network of one project."""

    name: str
    player: str
    """generator or discriminator."""
    matches: Callable[[Mapping[str, Tensor]], bool]
    """Whether a state dict has this layout."""
    place: Callable[[str, int], Place]
    """(our name, our number of blocks) -> where it stands."""
    derived: tuple[str, ...]
    """Endings of names that follow from other tensors, and may stay unused."""
    options: Callable[[Mapping[str, Tensor]], dict[str, Any]]
    """What a constructor needs to know for a state dict."""
    models: tuple[str, ...]
    """Models that take it, by their names on the command line."""
    absent: Mapping[str, float] = MappingProxyType({})
    """Endings of names that only we have, and what they are set to."""
    check: Callable[[Mapping[str, Tensor]], None] = _nothing
    """Refuses, with a ValueError, what of a state dict no tensor of ours is there to check."""


def convert(state: Mapping[str, Tensor], layout: Layout, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict in our names.

    Args:
        state: of the layout.
        layout: which.
        ours: our network's state dict, for names and shapes.

    Raises:
        ValueError: a tensor is missing, has another shape, or has no place here.
    """
    blocks, used = _blocks(ours), set()
    layout.check(state)
    converted = {}
    for name, wanted in ours.items():
        fill = layout.absent.get(name.rpartition(".")[2])
        if fill is not None:
            converted[name] = torch.full_like(wanted, fill)
            continue
        try:
            place = layout.place(name, blocks)
        except (KeyError, ValueError) as error:  # its names are of other networks
            raise ValueError(f"this model's {name} has no place in a {layout.name}") from error
        found = [key for key in place.keys if key in state]
        if not found:
            raise ValueError(f"no '{place.keys[0]}', which a {layout.name} has; here it is {name}")
        used.add(found[0])
        tensor = _piece(state[found[0]], place)
        if tensor is None or _core(tensor) != _core(wanted):
            given = shape_text((state[found[0]] if tensor is None else tensor).shape)
            raise ValueError(f"'{found[0]}' of {given}; this model's {name} has {shape_text(wanted.shape)}")
        converted[name] = tensor.reshape(wanted.shape).to(wanted.dtype).clone()
    spare = [key for key in state if key not in used and not key.endswith(layout.derived)]
    if spare:
        raise ValueError(f"'{spare[0]}' has no place in this model (of {len(spare)} such tensors)")
    return converted


def export(ours: Mapping[str, Tensor], layout: Layout, like: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Our state dict in the names and shapes of `like`, a state dict of the layout, without what is derived.

    Without `like` each tensor takes the first of the names it may have, and keeps its shape.
    """
    blocks = _blocks(ours)
    pieces: dict[str, dict[int, Tensor]] = {}
    for name, tensor in ours.items():
        if name.rpartition(".")[2] in layout.absent:
            continue
        place = layout.place(name, blocks)
        key = next(key for key in place.keys if like is None or key in like)
        pieces.setdefault(key, {})[place.part] = place.theirs(tensor)
    joined = {
        key: torch.cat([parts[i] for i in sorted(parts)], dim=1) if len(parts) > 1 else parts[0]
        for key, parts in pieces.items()
    }
    shaped = joined if like is None else {key: tensor.reshape(like[key].shape) for key, tensor in joined.items()}
    return {key: tensor.detach().clone(memory_format=torch.contiguous_format) for key, tensor in shaped.items()}


def _piece(tensor: Tensor, place: Place) -> Tensor | None:
    """What of a tensor of theirs is ours; None if its shape cannot be cut or ordered so."""
    try:
        if place.parts > 1:
            tensor = tensor.chunk(place.parts, dim=1)[place.part]
        return place.ours(tensor)
    except (IndexError, RuntimeError):
        return None


def _blocks(ours: Mapping[str, Tensor]) -> int:
    numbers = [int(name.split(".")[1]) for name in ours if name.startswith("blocks.")]
    if not numbers:
        raise ValueError("these weights are of residual blocks, and this model's network has none")
    return 1 + max(numbers)


def _core(tensor: Tensor) -> list[int]:
    return [size for size in tensor.shape if size != 1]
