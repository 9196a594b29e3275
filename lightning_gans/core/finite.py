"""Has a run diverged? One question about a module's tensors, and the error that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

__all__ = ["Diverged", "nonfinite", "nonfinite_terms"]

SHOWN = 3  # names in a message; a diverged network has hundreds


class Diverged(RuntimeError):  # noqa: N818 - what happened, as KeyboardInterrupt
    """A loss or a weight is no longer finite; going on, or saving, would only lose what was learnt."""

    @classmethod
    def at(cls, iteration: int, names: Sequence[str]) -> Diverged:
        """The error for an iteration and what is not finite there: names of terms, parameters or buffers."""
        listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        return cls(
            f"diverged: not finite at iteration {iteration}: {listed}; the last good checkpoint is kept; try "
            "a lower learning rate (--model.lr), gradient clipping (--model.discriminator_clip 1) or "
            "--trainer.precision 32-true"
        )


def nonfinite(module: nn.Module) -> list[str]:
    """Names of the module's parameters and buffers that hold a NaN or an infinity.

    The usual case, all finite, reads memory once and waits for the device once.
    """
    tensors = {
        name: tensor.detach()
        for name, tensor in chain(module.named_parameters(), module.named_buffers())
        if tensor.is_floating_point() and tensor.numel()
    }
    # The largest magnitude over everything: a NaN or an infinity anywhere shows in it.
    if get_total_norm(list(tensors.values()), norm_type=float("inf")).isfinite():
        return []
    return [name for name, tensor in tensors.items() if not tensor.isfinite().all()]


def nonfinite_terms(terms: dict[str, Tensor]) -> list[str]:
    """Names of the 0-dim loss terms that are NaN or infinite; waits for the device once.

    Gradient norms among them do not count: under 16-mixed an infinite one only makes the scaler skip a step.
    """
    losses = {name: term.detach().float() for name, term in terms.items() if not name.endswith("/grad_norm")}
    if not losses:
        return []
    finite = torch.stack(list(losses.values())).isfinite().tolist()
    return [name for name, good in zip(losses, finite, strict=True) if not good]
