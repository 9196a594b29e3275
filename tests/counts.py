"""Trainable parameters of the papers' networks: rows (model, arguments, generator, discriminator)."""

from __future__ import annotations

from typing import Any

__all__ = ["COUNTS"]

COUNTS: list[tuple[str, dict[str, Any], int, int]] = [
    # Goodfellow et al. 2014: MNIST, TFD, CIFAR-10 (fully connected)
    ("gan", {}, 2_503_984, 1_231_441),
    (
        "gan",
        {"image_shape": (1, 48, 48), "generator_channels": 8000, "discriminator_channels": 1200},
        83_250_304,
        21_037_201,
    ),
    (
        "gan",
        {"image_shape": (3, 32, 32), "generator_channels": 8000, "discriminator_channels": 1600},
        89_395_072,
        37_393_601,
    ),
    # Radford et al. 2015: the Torch and PyTorch releases
    ("dcgan", {}, 3_576_704, 2_765_568),
    ("dcgan", {"image_shape": (3, 32, 32)}, 1_068_928, 663_296),
    ("dcgan", {"image_shape": (1, 32, 32)}, 1_066_880, 661_248),
    ("dcgan", {"image_shape": (3, 128, 128)}, 12_786_560, 11_164_416),
    ("dcgan", {"generator_channels": 128, "discriminator_channels": 128}, 12_658_432, 11_036_160),
    # figure 1 and the Theano release
    ("dcgan", {"network": "paper"}, 18_885_760, 17_232_768),
    ("dcgan", {"network": "paper", "generator_channels": 64, "discriminator_channels": 64}, 5_142_080, 4_315_584),
    ("dcgan", {"network": "mnist", "image_shape": (1, 28, 28), "num_classes": 10}, 6_820_538, 6_688_202),
]
