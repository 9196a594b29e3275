"""Where random numbers come from: stateless streams named by numbers, so that a resumed run needs nothing saved.

A draw belongs to (seed, iteration, turn, call). It is made for the whole turn of all processes; process r takes rows
r::world (as DistributedSampler deals images) and gradient accumulation takes consecutive rows of those. So ranks differ,
two processes equal one, and two accumulated halves equal the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["DISTRIBUTIONS", "Draw", "Turn", "below", "draw", "stream"]

DISTRIBUTIONS = ("normal", "uniform")

CANDIDATES = 4096  # numbers drawn at a time to replace those outside a threshold

Draw = Callable[[tuple[int, ...], str], Tensor]
"""(shape, distribution) -> float32 tensor; distribution "normal" is N(0, 1), "uniform" is U[-1, 1]."""


def stream(*path: int) -> int:
    """A 63-bit seed for the stream named by `path`; streams of different paths are independent."""
    digest = hashlib.blake2b(",".join(map(str, path)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def draw(shape: Sequence[int], distribution: str, generator: torch.Generator) -> Tensor:
    """Float32 numbers on the generator's device: N(0, 1) or U[-1, 1].

    Raises:
        ValueError: an unknown distribution.
    """
    if distribution == "normal":
        return torch.randn(*shape, generator=generator, device=generator.device)
    if distribution == "uniform":
        return torch.rand(*shape, generator=generator, device=generator.device).mul_(2.0).sub_(1.0)
    raise ValueError(f"distribution '{distribution}'; allowed: {', '.join(DISTRIBUTIONS)}")


def below(threshold: float, source: Draw) -> Draw:
    """`source`, but numbers of N(0, 1) from `threshold` on, on either side, are drawn anew until all lie below it.

    The truncation trick (Brock et al. 2018, arXiv:1809.11096, section 3.1).
    """

    def resampled(shape: tuple[int, ...], distribution: str) -> Tensor:
        numbers = source(shape, distribution)
        outside = numbers.abs() >= threshold
        while distribution == "normal" and outside.any():
            fresh = source((CANDIDATES,), distribution)
            fresh = fresh[fresh.abs() < threshold][: int(outside.sum())]
            numbers[outside.nonzero(as_tuple=True)] = torch.cat([fresh, numbers[outside][len(fresh) :]])
            outside = numbers.abs() >= threshold
        return numbers

    return resampled


@dataclass
class Turn:
    """One turn of one player: which stream its noise comes from and which rows of it are this process's and chunk's."""

    seed: int = 0
    iteration: int = 0
    number: int = 0
    """Within the iteration: 0 for what both players share, then one an update."""
    chunks: int = 1
    rank: int = 0
    world: int = 1
    chunk: int = 0
    calls: int = 0
    drawn: dict[int, Tensor] = field(default_factory=dict)
    batch: dict[str, Tensor] | None = None
    """This process's rows, which chunks are parts of; None outside an update."""
    measured: dict[str, Tensor] = field(default_factory=dict)
    """What was found out about `batch`, by name."""

    def start_chunk(self, chunk: int) -> None:
        """The next rows of the same draws: call c of every chunk is a slice of one draw."""
        self.chunk, self.calls = chunk, 0

    def noise(self, shape: Sequence[int], distribution: str, generator: torch.Generator) -> Tensor:
        """This process's and chunk's `shape[0]` rows of the turn's next draw; `generator` is reseeded."""
        call, self.calls = self.calls, self.calls + 1
        rows, rest = shape[0], tuple(shape[1:])
        if self.chunks == 1 and self.world == 1:
            generator.manual_seed(stream(self.seed, self.iteration, self.number, call))
            return draw(shape, distribution, generator)
        if call not in self.drawn:
            generator.manual_seed(stream(self.seed, self.iteration, self.number, call))
            whole = draw((rows * self.chunks * self.world, *rest), distribution, generator)
            self.drawn[call] = whole[self.rank :: self.world]
        return self.drawn[call][self.chunk * rows : (self.chunk + 1) * rows]
