"""The Inception network of 5 December 2015, which FID, KID and IS of papers are made with.

Szegedy et al. 2016 (arXiv:1512.00567); its use for scores: Salimans et al. 2016 (arXiv:1606.03498), Heusel et al. 2017
(arXiv:1706.08500). Network and weights are torch-fidelity's (https://github.com/toshas/torch-fidelity), which equal
TensorFlow's graph, resize included; torchvision's Inception-v3 is another network with other scores.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.metrics.features.base import Extracted, FeatureExtractor, features_cache, fingerprint

__all__ = ["InceptionFeatures", "inception_weights_present"]

FILE = "weights-inception-2015-12-05-6726825d.pth"
ALIAS = "pt_inception-2015-12-05-6726825d.pth"  # the same file as pytorch-fid calls it
HASH = "6726825d"  # its SHA-256 starts so
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE}"
SIDE = 299  # pixels
FEATURES = ["2048", "logits_unbiased"]  # what torch-fidelity calls the last pool, and logits without the bias


class InceptionFeatures(FeatureExtractor):
    """2,048 pool features and 1,008 logits without bias; its scores are called plain ``fid``, ``kid``, ``is``.

    Grey images are repeated to three channels. Other sizes than 299x299 are resized as TensorFlow 1 did it.

    Args:
        weights: file of the weights. Without it they are looked for in ``$LIGHTNING_GANS_INCEPTION``, in torch hub's
            folder of checkpoints, in ``~/.cache/lightning-gans/features``, and at last downloaded to torch hub's folder.

    Raises:
        ModuleNotFoundError: torch-fidelity is not installed.
        FileNotFoundError: no weights there, or none anywhere and no download.
        ValueError: another file than it should be.
    """

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        network = _network()
        path = _find(weights)
        _check(path)
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)
        self._take(network, name="")

    @classmethod
    def untrained(cls, seed: int = 0) -> InceptionFeatures:
        """The network with random weights, for tests: never called ``fid``, nothing to download."""
        self = cls.__new__(cls)
        nn.Module.__init__(self)
        network = _network().to_empty(device="cpu")
        generator = torch.Generator().manual_seed(seed)
        for key, value in network.state_dict().items():
            if value.dim() > 1:  # convolutions and the last layer; He's initialization keeps 50 layers from fading
                value.normal_(std=(2.0 / value[0].numel()) ** 0.5, generator=generator)
            else:  # batch norm that does nothing, and no bias
                value.fill_(1 if key.endswith((".bn.weight", ".running_var")) else 0)
        self._take(network, name="inception_untrained")
        return self

    def _take(self, network: nn.Module, name: str) -> None:
        self.name = name
        self.dim = 2048
        self.num_classes = 1008
        self.network = network.requires_grad_(False)
        self.fingerprint = fingerprint(network)
        self.eval()

    def describe(self) -> str:
        """E.g. "inception-2015-12-05 1a2b3c4d (2048 features)"."""
        kind = "inception_untrained" if self.name else "inception-2015-12-05"
        return f"{kind} {self.fingerprint} ({self.dim} features)"

    def resize(self, image_shape: tuple[int, int, int]) -> str:
        """E.g. "TF1 bilinear to 299x299"."""
        channels, *size = image_shape
        _check_channels(channels)
        steps = [] if size == [SIDE, SIDE] else [f"TF1 bilinear to {SIDE}x{SIDE}"]
        return ", ".join([*steps, *(["grey repeated to RGB"] if channels == 1 else [])]) or "none"

    def extract(self, images: Tensor) -> Extracted:
        """See `FeatureExtractor.extract`."""
        _check_channels(images.shape[1])
        features, logits = self.network(images.expand(-1, 3, -1, -1))
        return Extracted(features, logits)


def inception_weights_present() -> bool:
    """Whether a file of the weights lies where it is looked for, so that nothing has to be downloaded."""
    return _present() is not None


def _present() -> Path | None:
    named = os.environ.get("LIGHTNING_GANS_INCEPTION")
    folders = (Path(torch.hub.get_dir()) / "checkpoints", features_cache())
    candidates = [Path(named).expanduser()] if named else [folder / f for folder in folders for f in (FILE, ALIAS)]
    return next((path for path in candidates if path.is_file()), None)


def _find(weights: str | os.PathLike[str] | None) -> Path:
    """The file of the weights, downloaded if it is nowhere and nobody said where it is."""
    named = weights or os.environ.get("LIGHTNING_GANS_INCEPTION")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"no Inception weights at '{path}'; needed there: {FILE} of {URL}")
        return path
    return _present() or _download()


def _download() -> Path:
    path = Path(torch.hub.get_dir()) / "checkpoints" / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(URL, str(path), hash_prefix=HASH, progress=sys.stderr.isatty())
    except (OSError, RuntimeError, ValueError) as error:  # no network, no space, another file than expected
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise FileNotFoundError(
            f"no Inception weights, and no download ({reason[:120]}): get {FILE} (SHA-256 {HASH}...) from {URL} "
            f"and put it into {features_cache()}, or name it in $LIGHTNING_GANS_INCEPTION"
        ) from error
    return path


def _check(path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    found = digest.hexdigest()[: len(HASH)]
    if found != HASH:
        raise ValueError(f"'{path}' is not {FILE}: its SHA-256 starts with {found}, expected {HASH}; get it from {URL}")


def _check_channels(channels: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"images of {channels} channels; allowed for Inception features: 1, 3")


def _network() -> nn.Module:
    """Torch-fidelity's module on the meta device, its weights still to be set.

    Raises:
        ModuleNotFoundError: torch-fidelity is not installed.
    """
    if importlib.util.find_spec("torch_fidelity") is None:
        raise ModuleNotFoundError("Inception features need torch-fidelity: pip install torch-fidelity")
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unloaded(FeatureExtractorInceptionV3):  # type: ignore[misc, unused-ignore]
        """Its constructor always loads a file; an empty one leaves the weights to us, who load more carefully."""

        def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
            return super().load_state_dict(state_dict, *args, **kwargs) if state_dict else None

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with torch.device("meta"):  # nothing is drawn only to be replaced
        network: nn.Module = Unloaded("inception", FEATURES, feature_extractor_weights_path=empty)
    return network
