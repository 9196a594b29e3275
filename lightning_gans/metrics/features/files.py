"""Files of domain features: a few are shipped with the package, others lie in the user's cache."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lightning_gans.metrics.features.base import features_cache

__all__ = ["SHIPPED", "domain_path", "hash_images", "read_weights", "shipped_domains", "write_weights"]

SHIPPED = Path(__file__).with_name("weights")
FORMAT = "lightning-gans domain features"


def shipped_domains() -> list[str]:
    """Names of the data sets whose features come with the package."""
    return sorted(path.stem.removeprefix("domain-") for path in SHIPPED.glob("domain-*.safetensors"))


def domain_path(data_name: str, data_hash: str) -> Path:
    """The file in the cache for features of these training images; it may not exist."""
    return features_cache() / f"domain-{data_name}-{data_hash[:16]}.safetensors"


def hash_images(images: Tensor) -> str:
    """First 16 hex digits of the SHA-256 of images, shape included.

    Args:
        images: uint8 (n, C, H, W).
    """
    digest = hashlib.sha256(str(tuple(images.shape)).encode())
    for part in images.split(1000):  # a copy of all of them may not fit into memory
        digest.update(part.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def write_weights(path: str | os.PathLike[str], weights: dict[str, Tensor], info: dict[str, str]) -> None:
    """Write one safetensors file, whole or not at all; folders are made."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{uuid.uuid4().hex}.partial")
    try:
        tensors = {key: value.cpu().contiguous() for key, value in weights.items()}
        partial.write_bytes(
            save(tensors, {**info, "format": FORMAT})
        )  # save_file would make it readable to its owner only
        os.replace(partial, file)  # another process may write the same file: the last one wins, both are whole
    finally:
        partial.unlink(missing_ok=True)


def read_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Weights and what the file says of them.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or no file of domain features.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no domain features at '{path}'")
    try:
        with safe_open(path, framework="pt") as file:
            info: dict[str, str] = dict(file.metadata() or {})
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (it is no dictionary)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"'{path}' is damaged, or no safetensors file") from error
    if info.pop("format", None) != FORMAT:
        raise ValueError(f"'{path}' holds no domain features of lightning-gans")
    return weights, info
