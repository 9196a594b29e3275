"""Weights that another project trained, taken over and handed back."""

from __future__ import annotations

from os import PathLike

from torch import nn

from lightning_gans.core.lifecycle import Lifecycle
from lightning_gans.weights.files import ForeignFile, read_foreign
from lightning_gans.weights.layout import Layout, convert

__all__ = ["ForeignWeights"]


class ForeignWeights(Lifecycle):
    """Models whose networks other projects have trained too."""

    def load_weights(self, path: str | PathLike[str]) -> str:
        """Take over what another project trained: a generator or a discriminator, in its average too.

        Returns:
            The name of the file's layout.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a layout that is not known, or weights that do not fit.
        """
        return self.take_weights(read_foreign(path))

    def take_weights(self, file: ForeignFile) -> str:
        """As `load_weights`, of a file that is read already.

        Raises:
            ValueError: weights that do not fit.
        """
        path, state, layout = file
        if self.model_name not in layout.models:
            raise ValueError(
                f"'{path}' holds a {layout.name}: weights of {' or '.join(layout.models)}, not of '{self.model_name}'"
            )
        targets = self.weight_targets(layout, path)
        ours = convert(state, layout, targets[0].state_dict())
        for target in targets:
            target.load_state_dict(ours)
        self.initialized = True  # a start that depends on data would undo this one
        return layout.name

    def weight_targets(self, layout: Layout, path: str | PathLike[str]) -> list[nn.Module]:
        """The network that a file's weights are of, and its average if there is one."""
        average = getattr(self, f"{layout.player}_ema", None)
        return [self.players[layout.player], *([] if average is None else [average])]
