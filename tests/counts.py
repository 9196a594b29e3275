"""Trainable parameters of the papers' networks: rows (model, arguments, generator, discriminator)."""

from __future__ import annotations

from typing import Any

__all__ = ["COUNTS"]


def sides(pixels: int) -> dict[str, Any]:
    """Shapes of RGB pictures."""
    return {"source_shape": (3, pixels, pixels), "target_shape": (3, pixels, pixels)}


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
    # Gulrajani et al. 2017: CIFAR-10's DCGAN, MNIST, CIFAR-10's ResNet, 64x64 "Good" and DCGAN with layer norm; mimicry's; toys
    ("wgan_gp", {"network": "dcgan"}, 5_179_907, 4_114_689),
    ("wgan_gp", {"network": "dcgan", "generator_channels": 64, "discriminator_channels": 64}, 1_565_955, 1_033_345),
    ("wgan_gp", {"image_shape": (1, 28, 28)}, 1_554_177, 1_030_145),
    ("wgan_gp", {}, 1_204_483, 1_053_825),
    ("wgan_gp", {"num_classes": 10, "conditional": True}, 1_218_307, 1_055_115),
    ("wgan_gp", {"image_shape": (3, 64, 64), "network": "resnet"}, 8_540_483, 7_491_841),
    ("wgan_gp", {"image_shape": (3, 64, 64)}, 5_364_739, 4_316_545),
    ("wgan_gp", {"generator_channels": 256}, 4_276_739, 1_053_825),
    ("wgan_gp", {"image_shape": (1, 1, 2), "network": "mlp", "latent_dim": 2}, 527_874, 527_361),
    # Jolicoeur-Martineau 2018: 64x64
    ("rgan", {}, 3_806_080, 2_765_568),
    # Lucic et al. 2017: MNIST, CIFAR-10, CelebA; the critic with batch norm, without, and BEGAN's autoencoder
    ("created_equal", {}, 6_642_241, 6_559_169),
    ("created_equal", {"formulation": "wgan_gp"}, 6_642_241, 6_556_865),
    ("created_equal", {"formulation": "began"}, 6_642_241, 1_073_601),
    ("created_equal", {"image_shape": (3, 32, 32)}, 8_616_131, 8_527_297),
    ("created_equal", {"image_shape": (3, 32, 32), "formulation": "wgan_gp"}, 8_616_131, 8_524_993),
    ("created_equal", {"image_shape": (3, 32, 32), "formulation": "began"}, 8_616_131, 1_325_379),
    ("created_equal", {"image_shape": (3, 64, 64)}, 33_855_683, 33_693_121),
    ("created_equal", {"image_shape": (3, 64, 64), "batch_norm": False}, 33_855_683, 33_690_817),
    ("created_equal", {"image_shape": (3, 64, 64), "formulation": "began"}, 33_855_683, 4_495_683),
    # Mao et al. 2016: LSUN at 112, 64 and 128, handwritten Chinese characters, the two stability tests
    ("lsgan", {}, 15_591_427, 4_333_441),
    ("lsgan", {"image_shape": (3, 64, 64)}, 6_932_227, 4_316_545),
    ("lsgan", {"image_shape": (3, 128, 128)}, 19_527_427, 4_341_121),
    ("lsgan", {"image_shape": (1, 28, 28), "network": "hwdb", "num_classes": 3740}, 9_405_569, 21_392_155),
    (
        "lsgan",
        {"image_shape": (3, 64, 64), "network": "dcgan", "generator_norm": False},
        12_702_851,
        4_316_545,
    ),
    (
        "lsgan",
        {"image_shape": (3, 64, 64), "network": "dcgan", "generator_norm": False, "discriminator_norm": False},
        12_702_851,
        4_314_753,
    ),
    # Kodali et al. 2017: the notebook's; DCGAN's with and without the critic's batch norm
    ("dragan", {"image_shape": (1, 28, 28), "network": "mlp"}, 114_064, 100_609),
    ("dragan", {"discriminator_norm": True}, 1_068_928, 663_296),
    ("dragan", {"image_shape": (3, 64, 64), "discriminator_norm": True}, 3_576_704, 2_765_568),
    ("dragan", {"image_shape": (3, 64, 64)}, 3_576_704, 2_763_776),
    ("dragan", {"image_shape": (3, 128, 128), "discriminator_norm": True}, 12_786_560, 11_164_416),
    # Berthelot et al. 2017: 64, 32 and 128 pixels, two sizes of the code, half the channels; figure 1's encoder
    ("began", {}, 1_716_611, 13_405_379),
    ("began", {"image_shape": (3, 32, 32)}, 1_421_443, 7_128_643),
    ("began", {"image_shape": (3, 128, 128)}, 2_011_779, 23_221_443),
    ("began", {"image_shape": (3, 128, 128), "latent_dim": 128}, 2_536_067, 26_367_235),
    (
        "began",
        {"image_shape": (3, 32, 32), "generator_channels": 64, "discriminator_channels": 64},
        489_539,
        2_310_979,
    ),
    ("began", {"image_shape": (3, 32, 32), "network": "paper"}, 1_421_443, 8_308_547),
    ("began", {"network": "paper"}, 1_716_611, 15_617_603),
    ("began", {"image_shape": (3, 128, 128), "network": "paper"}, 2_011_779, 26_760_899),
    # Wang et al. 2018: CIFAR-10 in Theano and PyTorch, LSUN at 64, CelebA at 128; the best member only
    ("egan", {}, 3_455_363, 2_637_441),
    ("egan", {"network": "pytorch", "mu": 8}, 3_447_683, 2_638_209),
    ("egan", {"image_shape": (3, 64, 64)}, 33_121_283, 11_036_289),
    ("egan", {"image_shape": (3, 128, 128)}, 17_912_835, 11_164_481),
    # Liu & Tuzel 2016: digits in PyTorch and Caffe; Caffe's faces, 12,834,563 and 14,856,450 alone, with a second domain
    ("cogan", {}, 7_842_694, 427_593),
    ("cogan", {"num_classes": 10}, 7_842_694, 432_603),
    ("cogan", {"network": "digits_caffe"}, 7_861_890, 428_092),
    ("cogan", {"image_shape": (3, 128, 128)}, 12_835_430, 14_858_946),
    # Salimans et al. 2016: CIFAR-10 with feature matching and with minibatch discrimination, SVHN, MNIST
    ("sgan", {}, 4_933_382, 1_406_804),
    ("sgan", {"minibatch_discrimination": True}, 4_933_382, 1_504_404),
    ("sgan", {"discriminator_channels": 64}, 4_933_382, 626_580),
    ("sgan", {"image_shape": (1, 28, 28), "network": "mlp"}, 694_568, 1_538_770),
    # Jin et al. 2017: 34 tags; a re-implementation's critic, with 34 tags and its own 19; smaller images, by our rule
    ("animegan", {}, 4_315_715, 19_078_531),
    ("animegan", {"network": "bhpfelix"}, 4_315_715, 23_895_427),
    ("animegan", {"network": "bhpfelix", "tags": [f"tag {number}" for number in range(19)]}, 4_069_955, 23_833_972),
    ("animegan", {"image_shape": (3, 64, 64)}, 4_167_875, 4_848_003),
    ("animegan", {"image_shape": (3, 32, 32)}, 4_020_035, 1_271_683),
    ("animegan", {"image_shape": (3, 32, 32), "tags": None}, 3_462_979, 1_236_833),
    # Miyato et al. 2018: CIFAR-10 (mimicry's head has a bias), STL-10, 64 pixels, ImageNet; with classes (Miyato & Koyama)
    ("sngan", {}, 4_276_739, 1_053_824),
    ("sngan", {"head_bias": True}, 4_276_739, 1_053_825),
    ("sngan", {"num_classes": 10, "conditional": True}, 4_304_387, 1_055_104),
    ("sngan", {"num_classes": 100, "conditional": True}, 4_580_867, 1_066_624),
    ("sngan", {"image_shape": (3, 48, 48)}, 4_878_083, 10_141_441),
    ("sngan", {"image_shape": (3, 64, 64)}, 12_220_675, 10_141_441),
    ("sngan", {"image_shape": (3, 64, 64), "num_classes": 1000, "conditional": True}, 17_974_915, 11_165_441),
    ("sngan", {"image_shape": (3, 128, 128)}, 32_150_787, 29_017_857),
    ("sngan", {"image_shape": (3, 128, 128), "num_classes": 1000, "conditional": True}, 41_996_931, 30_041_857),
    (
        "sngan",
        {"image_shape": (3, 128, 128), "num_classes": 1000, "conditional": True, "conditioning": "concatenation"},
        41_996_931,
        30_538_625,
    ),
    ("sngan", {"num_classes": 10, "conditional": True, "head_bias": True}, 4_304_387, 1_055_105),
    # table 3, and the code's
    ("sngan", {"network": "cnn"}, 3_812_355, 2_935_873),
    ("sngan", {"network": "cnn", "image_shape": (3, 48, 48)}, 5_133_315, 2_946_113),
    ("sngan", {"network": "cnn_code"}, 3_828_739, 5_860_865),
    ("sngan", {"network": "cnn_code", "image_shape": (3, 48, 48)}, 5_170_179, 5_871_105),
    # Zhang et al. 2018: attention at 32 and at 64; mimicry's at 32 pixels
    ("sagan", {"num_classes": 1000}, 42_078_852, 39_463_618),
    ("sagan", {"num_classes": 1000, "attention_size": 64}, 42_017_412, 39_448_258),
    ("sagan", {"image_shape": (3, 32, 32), "num_classes": 10}, 4_386_308, 1_075_586),
    # Brock et al. 2018, table 1's 158.3M, and BigGAN-PyTorch's other width; compare_gan's 256 and 512 pixels
    ("biggan", {"num_classes": 1000}, 70_433_988, 87_982_370),
    (
        "biggan",
        {"num_classes": 1000, "generator_channels": 64, "discriminator_channels": 64},
        31_978_628,
        39_448_258,
    ),
    ("biggan", {"image_shape": (3, 256, 256), "num_classes": 1000}, 82_235_844, 99_225_890),
    (
        "biggan",
        {
            "image_shape": (3, 256, 256),
            "num_classes": 1000,
            "attention_size": 128,
            "discriminator_attention_size": 64,
            "equal_shortcuts": False,
        },
        82_097_604,
        98_635_298,
    ),
    (
        "biggan",
        {"image_shape": (3, 512, 512), "num_classes": 1000, "equal_shortcuts": False},
        82_468_068,
        98_801_378,
    ),
    # 64 pixels with attention at 32 and 64, and wider; 32 pixels: CIFAR-10's, and with split noise
    ("biggan", {"image_shape": (3, 64, 64), "num_classes": 1000}, 31_969_540, 20_571_842),
    ("biggan", {"image_shape": (3, 64, 64), "num_classes": 1000, "attention_size": 64}, 31_908_100, 20_566_721),
    (
        "biggan",
        {
            "image_shape": (3, 64, 64),
            "num_classes": 1000,
            "generator_channels": 96,
            "discriminator_channels": 96,
        },
        70_377_348,
        45_511_970,
    ),
    ("biggan", {"image_shape": (3, 32, 32), "num_classes": 10}, 4_304_387, 4_207_361),
    ("biggan", {"image_shape": (3, 32, 32), "num_classes": 10, "network": "hierarchical"}, 4_287_235, 4_207_361),
    # appendix B; with the last convolution of the released weights; other sizes
    ("biggan_deep", {"num_classes": 1000}, 50_244_484, 34_590_210),
    ("biggan_deep", {"num_classes": 1000, "image_channels": 128}, 50_388_609, 34_590_210),
    ("biggan_deep", {"image_shape": (3, 256, 256), "num_classes": 1000}, 55_736_708, 38_247_426),
    (
        "biggan_deep",
        {"image_shape": (3, 256, 256), "num_classes": 1000, "image_channels": 128},
        55_880_833,
        38_247_426,
    ),
    # the released generator at 512 pixels; the critic is ours
    (
        "biggan_deep",
        {"image_shape": (3, 512, 512), "num_classes": 1000, "image_channels": 128},
        56_163_905,
        38_301_122,
    ),
    ("biggan_deep", {"image_shape": (3, 64, 64), "num_classes": 1000}, 49_829_636, 20_951_554),
    ("biggan_deep", {"image_shape": (3, 32, 32), "num_classes": 10}, 7_435_267, 2_581_249),
    # Isola et al. 2016: the four U-Nets (32 pixels is ours), instance norm, the Lua release
    ("pix2pix", {}, 54_413_955, 2_768_705),
    ("pix2pix", {"network": "unet_128", **sides(128)}, 41_828_995, 2_768_705),
    ("pix2pix", {"network": "unet_64", **sides(64)}, 29_244_035, 2_768_705),
    ("pix2pix", {"network": "unet_32", **sides(32)}, 16_659_075, 2_768_705),
    ("pix2pix", {"norm": "instance"}, 54_409_603, 2_767_809),
    ("pix2pix", {"norm": "instance", "network": "unet_128", **sides(128)}, 41_825_667, 2_767_809),
    ("pix2pix", {"release": "lua"}, 54_419_459, 2_769_601),
    # receptive fields of 16 to 574 pixels beside the input, without it, and of one pixel
    ("pix2pix", {"receptive_field": 16}, 54_413_955, 139_585),
    ("pix2pix", {"receptive_field": 34}, 54_413_955, 666_433),
    ("pix2pix", {"receptive_field": 142}, 54_413_955, 6_964_033),
    ("pix2pix", {"receptive_field": 286}, 54_413_955, 11_159_361),
    ("pix2pix", {"receptive_field": 574}, 54_413_955, 15_354_689),
    ("pix2pix", {"receptive_field": 16, "conditional_discriminator": False}, 54_413_955, 136_513),
    ("pix2pix", {"receptive_field": 34, "conditional_discriminator": False}, 54_413_955, 663_361),
    ("pix2pix", {"conditional_discriminator": False}, 54_413_955, 2_765_633),
    ("pix2pix", {"receptive_field": 142, "conditional_discriminator": False}, 54_413_955, 6_960_961),
    ("pix2pix", {"receptive_field": 286, "conditional_discriminator": False}, 54_413_955, 11_156_289),
    ("pix2pix", {"receptive_field": 574, "conditional_discriminator": False}, 54_413_955, 15_351_617),
    ("pix2pix", {"receptive_field": 1}, 54_413_955, 9_024),
    ("pix2pix", {"receptive_field": 1, "norm": "instance"}, 54_409_603, 8_897),
    # Zhu et al. 2017, two networks each: 9 and 6 blocks, the Lua release, batch norm
    ("cyclegan", {}, 2 * 11_378_179, 2 * 2_764_737),
    ("cyclegan", {"network": "resnet_6", **sides(128)}, 2 * 7_837_699, 2 * 2_764_737),
    ("cyclegan", {"release": "lua"}, 2 * 11_388_675, 2 * 2_766_529),
    ("cyclegan", {"network": "resnet_6", "release": "lua"}, 2 * 7_845_123, 2 * 2_766_529),
    ("cyclegan", {"norm": "batch"}, 2 * 11_383_427, 2 * 2_765_633),
    ("cyclegan", {"network": "resnet_6", "norm": "batch"}, 2 * 7_841_411, 2 * 2_765_633),
]
