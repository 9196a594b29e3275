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
    # Mirza & Osindero 2014
    ("cgan", {}, 2_413_984, 1_224_351),
    # Arjovsky et al. 2017
    ("wgan", {}, 3_576_704, 2_765_568),
    ("wgan", {"network": "dcgan_nobn", "discriminator_network": "dcgan_nobn"}, 3_574_784, 2_763_776),
    ("wgan", {"network": "mlp", "discriminator_network": "mlp"}, 6_880_768, 6_817_793),
    # Gulrajani et al. 2017: CIFAR-10's DCGAN, MNIST, CIFAR-10's ResNet, 64x64 "Good" and DCGAN with layer norm; mimicry's
    ("wgan_gp", {"network": "dcgan"}, 5_179_907, 4_114_689),
    ("wgan_gp", {"network": "dcgan", "generator_channels": 64, "discriminator_channels": 64}, 1_565_955, 1_033_345),
    ("wgan_gp", {"image_shape": (1, 28, 28)}, 1_554_177, 1_030_145),
    ("wgan_gp", {}, 1_204_483, 1_053_825),
    ("wgan_gp", {"num_classes": 10, "conditional": True}, 1_218_307, 1_055_115),
    ("wgan_gp", {"image_shape": (3, 64, 64), "network": "resnet"}, 8_540_483, 7_491_841),
    ("wgan_gp", {"image_shape": (3, 64, 64)}, 5_364_739, 4_316_545),
    ("wgan_gp", {"generator_channels": 256}, 4_276_739, 1_053_825),
    # Jolicoeur-Martineau 2018: 64x64
    ("rgan", {}, 3_806_080, 2_765_568),
]
