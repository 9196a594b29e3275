"""Weights of pytorch-CycleGAN-and-pix2pix, taken over and handed back: one file a network, named as that code names it."""

from __future__ import annotations

import re
from os import PathLike
from pathlib import Path

import torch
from torch import nn

from lightning_gans.core.adversarial import AdversarialModule
from lightning_gans.networks.patchgan_unet import PixelGAN, UNetGenerator
from lightning_gans.networks.resnet_translation import ResNetGenerator
from lightning_gans.weights import cyclegan_and_pix2pix as layouts
from lightning_gans.weights.layout import Layout, export

__all__ = ["ReferenceWeights"]

FILE = re.compile(r"net_([GD])(?:_([AB]))?\.\w+$")
# The code's naming trap: its D_A judges domain B, where G_A's images go.
NETWORKS = {"generator": {"A": "AtoB", "B": "BtoA"}, "discriminator": {"A": "b", "B": "a"}}


class ReferenceWeights(AdversarialModule):
    """Models of that code's networks."""

    def weight_targets(self, layout: Layout, path: str | PathLike[str]) -> list[nn.Module]:
        """As `ForeignWeights`; of several networks a player the file's name tells which: latest_net_G_A.pth is from A to B, as
        is one that does not tell (latest_net_G.pth).

        Raises:
            ValueError: a critic's file whose name does not tell what it judges.
        """
        targets = super().weight_targets(layout, path)
        if not isinstance(targets[0], nn.ModuleDict):
            return targets
        found = FILE.search(Path(path).name)
        letter = found[2] if found is not None else None
        if letter is None and layout.player == "discriminator":
            raise ValueError(f"'{path}' does not tell which critic it is; allowed: *net_D_A.pth, *net_D_B.pth")
        return [target.get_submodule(NETWORKS[layout.player][letter or "A"]) for target in targets]

    def export_weights(self, folder: str | PathLike[str], prefix: str = "latest") -> list[Path]:
        """Write the networks (not their averages) as that code's files: ``latest_net_G.pth`` and so on.

        Args:
            folder: is made.
            prefix: of the files' names.

        Raises:
            ValueError: networks of the Lua release, whose norms that code does not have.
            OSError: a file cannot be written.
        """
        if self.hparams.get("release") == "lua":
            raise ValueError("networks of release 'lua'; allowed: pytorch, which is what the files are of")
        target = Path(folder)
        files: dict[str, nn.Module] = {}
        for player, network in self.players.items():
            letter = player[0].upper()
            if isinstance(network, nn.ModuleDict):
                files |= {f"{letter}_{end}": network.get_submodule(name) for end, name in NETWORKS[player].items()}
            else:
                files[letter] = network
        target.mkdir(parents=True, exist_ok=True)
        written = []
        for name, network in files.items():
            path = target / f"{prefix}_net_{name}.pth"
            torch.save(
                {key: value.cpu() for key, value in export(network.state_dict(), _layout(network)).items()}, path
            )
            written.append(path)
        return written


def _layout(network: nn.Module) -> Layout:
    if isinstance(network, UNetGenerator):
        return layouts.UNET
    if isinstance(network, ResNetGenerator):
        dropped = any(isinstance(module, nn.Dropout) for module in network.modules())
        return layouts.RESNET_DROPOUT if dropped else layouts.RESNET
    return layouts.PIXEL if isinstance(network, PixelGAN) else layouts.PATCH
