"""How far pictures are apart in the features of a network that knows photographs (Johnson et al. 2016, arXiv:1603.08155)."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn

from lightning_gans.weights.files import read_weights

__all__ = ["VGGDistance"]

FILE = "vgg16-397923af.pth"  # the name holds the first 8 hex digits of its SHA-256
URL = f"https://download.pytorch.org/models/{FILE}"
TAPS = (3, 8, 15, 22)  # relu1_2, relu2_2, relu3_3, relu4_3
LEAST = 8  # pixels: three of the layers in use halve
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGGDistance(nn.Module):
    """Mean absolute differences of VGG16's features after relu1_2, relu2_2, relu3_3 and relu4_3, added up.

    Args:
        weights: a file of torchvision's weights; None: fetched once.

    Raises:
        OSError: the weights are neither here nor to be had.
        ValueError: a file of other weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: str | PathLike[str] | None = None) -> None:
        super().__init__()
        from torchvision.models import vgg16  # takes a second to import

        if weights is None:
            place = Path(torch.hub.get_dir()) / "checkpoints" / FILE
            try:
                state = torch.hub.load_state_dict_from_url(URL, map_location="cpu", check_hash=True, weights_only=True)
            except (URLError, OSError, RuntimeError) as error:  # RuntimeError: a download of another hash
                raise OSError(
                    f"no weights of VGG16 for perceptual_weight: {URL} failed ({error}); put the file at {place}, or name "
                    "one: perceptual_file"
                ) from error
        else:
            state = read_weights(weights)
        with torch.device("meta"):
            features = vgg16().features[: TAPS[-1] + 1]
        wanted = features.state_dict()
        own = {key.removeprefix("features."): value for key, value in state.items()}
        if any(key not in own or own[key].shape != value.shape for key, value in wanted.items()):
            raise ValueError(f"'{weights}' holds other weights than torchvision's VGG16 ({FILE})")
        features.load_state_dict({key: own[key] for key in wanted}, assign=True)
        for module in features:
            if isinstance(module, nn.ReLU):
                module.inplace = False  # the maps before it are compared
        self.features = features
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The distance, a scalar; gradients flow into `first` only.

        Args:
            first: (N, 1, 3 or 4, H, W) in [-1, 1], from 8 pixels up; grey is repeated, alpha left out.
            second: the same.
        """
        with torch.no_grad():
            wanted = self._maps(second)
        distances = [(one - two).abs().mean() for one, two in zip(self._maps(first), wanted, strict=True)]
        return torch.stack(distances).sum()

    def _maps(self, images: Tensor) -> list[Tensor]:
        colours = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images[:, :3]
        maps, kept = ((colours + 1.0) / 2.0 - self.mean) / self.std, []
        for index, layer in enumerate(self.features):
            maps = layer(maps)
            if index in TAPS:
                kept.append(maps)
        return kept
