"""What all models from images to images share: any size in, tiles, terms of their own, strips of pictures, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import vgg16

from lightning_gans import CycleGAN, Pix2Pix
from lightning_gans.core.perceptual import TAPS, VGGDistance
from lightning_gans.core.tiling import held, measured, tiled
from lightning_gans.losses import feature_distance, total_variation
from tests.training import fit
from tests.translation import Domains, Pairs, pictures_of

TINY: dict[str, Any] = {"receptive_field": 16, "generator_channels": 2, "discriminator_channels": 4}


def pix2pix(**options: Any) -> Pix2Pix:
    torch.manual_seed(0)
    shapes = {"source_shape": (1, 32, 32), "target_shape": (1, 32, 32)}
    return Pix2Pix(**{**shapes, **TINY, "network": "unet_32", **options})


def cyclegan(**options: Any) -> CycleGAN:
    torch.manual_seed(0)
    shapes = {"source_shape": (1, 16, 16), "target_shape": (1, 16, 16)}
    return CycleGAN(**{**shapes, **TINY, "network": "resnet_6", **options})


# ---------------------------------------------------------------- sides


@pytest.mark.parametrize(("height", "width"), [(33, 64), (5, 7), (1, 1), (40, 100)])
def test_other_sides_are_padded_and_cropped_back(height: int, width: int) -> None:
    images = pictures_of(2, 1, height, width)
    for model in (pix2pix(), cyclegan()):
        assert model.translate(images).shape == (2, 1, height, width)


def test_the_border_is_mirrored_and_what_was_given_stays_in_the_middle() -> None:
    model, seen = cyclegan(), []
    model.generator["AtoB"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = pictures_of(1, 1, 13, 18)
    model.translate(images)
    (padded,) = seen
    assert padded.shape == (1, 1, 16, 20)
    torch.testing.assert_close(padded[:, :, 1:14, 1:19], images)
    torch.testing.assert_close(padded[:, :, 0, 1:19], images[:, :, 1])
    with torch.no_grad():
        whole = model.generator["AtoB"](padded)
    torch.testing.assert_close(model.translate(images), whole[:, :, 1:14, 1:19], atol=1e-5, rtol=1e-4)


def test_odd_sides_train_too() -> None:
    model = pix2pix(source_shape=(1, 20, 20), target_shape=(1, 20, 20))
    fit(model, 1, Pairs(size=20, batch_size=2))
    assert model.terms["generator/l1"].isfinite()


def test_sides_are_refused_where_that_is_asked_for() -> None:
    message = (
        r"^images of 20x20; this generator takes multiples of 32, such as 32x32; allowed: those, or odd_sides 'pad'$"
    )
    with pytest.raises(ValueError, match=message):
        pix2pix(source_shape=(1, 20, 20), target_shape=(1, 20, 20), odd_sides="refuse")
    model = cyclegan(odd_sides="refuse")
    model.translate(pictures_of(1, 1, 20))
    message = r"^images of 6x21; this generator takes multiples of 4 from 8 up, such as 8x24; allowed: those, or odd_sides 'pad'$"
    with pytest.raises(ValueError, match=message):
        model.translate(pictures_of(1, 1, 6, 21))


def test_what_translate_takes() -> None:
    model = cyclegan(source_shape=(3, 16, 16), identity_weight=0.0)
    pixels = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(model.translate(pixels), model.translate(pixels.float() / 127.5 - 1))
    assert model.translate(pixels[:0]).shape == (0, 1, 16, 16)
    with pytest.raises(ValueError, match=r"^direction 'a2b'; allowed: AtoB, BtoA$"):
        model.translate(pixels, "a2b")
    message = r"^images of 3 channels; direction BtoA of this model takes 1 \(1 grey, 3 RGB, 4 RGBA\)$"
    with pytest.raises(ValueError, match=message):
        model.translate(pixels, "BtoA")
    with pytest.raises(ValueError, match=r"^tile=30; allowed: multiples of 4 from 8 up, such as 32$"):
        model.translate(pixels, tile=30)
    averaged = cyclegan(ema_decay=0.9)
    nn.init.zeros_(averaged.generator_ema["AtoB"].image.weight)  # type: ignore[index,union-attr]
    assert not averaged.translate(pictures_of(1, 1, 16)).any()
    assert averaged.translate(pictures_of(1, 1, 16), ema=False).any()


# ---------------------------------------------------------------- tiles


def test_a_picture_no_larger_than_a_tile_is_not_cut() -> None:
    model, images = cyclegan(), pictures_of(1, 1, 24, 32)
    assert torch.equal(model.translate(images, tile=32), model.translate(images))


def test_tiles_cover_everything_once_blended() -> None:
    for height, width in ((64, 40), (33, 100)):
        images = pictures_of(1, 2, height // 4 * 4, width // 4 * 4)
        torch.testing.assert_close(tiled(lambda part: part, nn.Identity(), images, 32, 4, 8), images)


def test_under_the_whole_pictures_statistics_the_inside_of_a_tile_is_the_whole_pictures() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4, affine=True), nn.ReLU(), nn.Conv2d(4, 1, 1)
    )
    nn.init.normal_(network[1].weight)
    images = pictures_of(1, 1, 64)
    with torch.no_grad():
        whole = network(images)
        with measured(network) as statistics:
            network(images)
        with held(network, statistics):
            torch.testing.assert_close(network(images), whole, atol=1e-5, rtol=1e-4)
            part = network(images[:, :, 8:40, 8:40])
        torch.testing.assert_close(part[:, :, 1:-1, 1:-1], whole[:, :, 9:39, 9:39], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(
            network(images[:, :, 8:40, 8:40])[:, :, 1:-1, 1:-1], whole[:, :, 9:39, 9:39], atol=1e-2
        )
        torch.testing.assert_close(network(images), whole)  # hooks are gone


def test_statistics_of_the_whole_picture_bring_tiles_nearer_to_it() -> None:
    model = cyclegan(generator_channels=8)
    for module in model.generator.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, module.weight[0].numel() ** -0.5)
    images = pictures_of(1, 1, 96)
    whole = model.translate(images)
    network = model.generator["AtoB"]
    with torch.no_grad():
        apart = torch.cat(
            [torch.cat([network(t) for t in row.split(48, dim=3)], dim=3) for row in images.split(48, dim=2)], dim=2
        )
    assert (model.translate(images, tile=48) - whole).abs().mean() < 0.8 * (apart - whole).abs().mean()


# ---------------------------------------------------------------- terms


def test_terms_by_hand() -> None:
    images = torch.tensor([[[[0.0, 1.0], [3.0, 3.0]]]])
    assert total_variation(images).item() == pytest.approx((3 + 2) / 2 + (1 + 0) / 2)
    real = [torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), torch.zeros(2, 1, 1, 1)]
    fake = [torch.tensor([3.0, 1.0]).view(2, 1, 1, 1), torch.full((2, 1, 1, 1), 0.5)]
    assert feature_distance(real, fake, paired=True).item() == pytest.approx(2.0 + 0.5)
    assert feature_distance(real, fake, paired=False).item() == pytest.approx(0.0 + 0.5)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of torchvision's names with random weights; the dense layers, which are not used, are left out."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.manual_seed(0)
    with torch.device("meta"):
        features = vgg16().features.state_dict()
    torch.save({f"features.{key}": torch.randn(value.shape) * 0.05 for key, value in features.items()}, path)
    return path


def test_perceptual_distance(vgg: Path, tmp_path: Path) -> None:
    distance = VGGDistance(vgg)
    first, second = pictures_of(2, 3, 16).requires_grad_(), pictures_of(2, 3, 16, seed=1)
    wanted = 0.0
    state = torch.load(vgg, weights_only=True)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    maps = [((x.detach() + 1) / 2 - mean) / std for x in (first, second)]
    for index, layer in enumerate(vgg16_layers()):
        maps = [
            nn.functional.conv2d(m, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1)
            if layer == "conv"
            else (m.relu() if layer == "relu" else nn.functional.max_pool2d(m, 2))
            for m in maps
        ]
        if index in TAPS:
            wanted += (maps[0] - maps[1]).abs().mean().item()
    value = distance(first, second)
    assert value.item() == pytest.approx(wanted, rel=1e-4)
    assert distance(second, second).item() == 0.0
    value.backward()
    assert first.grad is not None
    assert first.grad.any()
    grey = pictures_of(1, 1, 16)
    torch.testing.assert_close(distance(grey, -grey), distance(grey.expand(-1, 3, -1, -1), -grey.expand(-1, 3, -1, -1)))
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"holds other weights than torchvision's VGG16 \(vgg16-397923af\.pth\)$"):
        VGGDistance(tmp_path / "other.pth")


def vgg16_layers() -> list[str]:
    """Up to relu4_3: two blocks of two convolutions, two of three, a maximum between them."""
    blocks = [["conv", "relu"] * n for n in (2, 2, 3, 3)]
    return [layer for block in blocks for layer in [*block, "pool"]][:23]


@pytest.mark.parametrize("make", [pix2pix, cyclegan])
def test_terms_that_any_model_may_add(make: Any, vgg: Path) -> None:
    extra = {
        "perceptual_weight": 0.5,
        "perceptual_file": str(vgg),
        "total_variation_weight": 2.0,
        "feature_matching_weight": 3.0,
    }
    plain, model = make(), make(**extra)
    assert plain.state_dict().keys() == model.state_dict().keys()
    side = model.source_shape[1]
    given = {key: pictures_of(2, 1, side, seed=i) for i, key in enumerate(model.keys)}
    ours, terms = plain.generator_loss(given), model.generator_loss(given)
    assert terms.keys() - ours.keys() == {"perceptual", "total_variation", "feature_matching"}
    for name, value in ours.items():
        torch.testing.assert_close(terms[name], value)
    made = (
        [model.generator(given["source"])]
        if make is pix2pix
        else [model.generator["AtoB"](given["a"]), model.generator["BtoA"](given["b"])]
    )
    wanted = 2.0 * sum(total_variation(images).item() for images in made)
    assert terms["total_variation"].item() == pytest.approx(wanted, rel=1e-3)
    assert terms["perceptual"].item() > 0
    assert terms["feature_matching"].item() > 0
    data = Pairs(size=32, batch_size=2) if make is pix2pix else Domains(size=16, batch_size=2)
    fit(model, 1, data)
    assert {"generator/perceptual", "generator/feature_matching"} <= model.terms.keys()
    assert not any("vgg" in key or "features" in key for key in model.state_dict())


def test_options_outside_what_is_allowed() -> None:
    for options, message in (
        ({"odd_sides": "crop"}, r"^odd_sides 'crop'; allowed: pad, refuse$"),
        ({"total_variation_weight": -1.0}, r"^total_variation_weight=-1\.0; allowed: 0 or more$"),
        (
            {"feature_matching_weight": 1.0, "augment": "diffaugment"},
            r"^feature_matching_weight=1\.0 with augment 'diffaugment'; allowed: one of them \(features",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            pix2pix(**options)
    model = pix2pix()
    with pytest.raises(ValueError, match=r"^source of 1x16x16; this model was built for 1x32x32 \(source_shape\)$"):
        fit(model, 1, Pairs(size=16, batch_size=2))


# ---------------------------------------------------------------- strips


def test_strips_of_one_way() -> None:
    model = pix2pix(target_shape=(3, 32, 32))
    with pytest.raises(
        ValueError, match=r"^Pix2Pix has no images to show; allowed: show\(batch\) before pictures\(n\)$"
    ):
        model.pictures(4)
    given = {"source": pictures_of(5, 1, 32), "target": pictures_of(5, 3, 32, seed=1)}
    model.show(given)
    strips = model.pictures(9)
    assert strips.shape == (3, 3, 32, 96)
    source, output, target = strips.split(32, dim=3)
    torch.testing.assert_close(source, given["source"][:3].expand(-1, 3, -1, -1))
    torch.testing.assert_close(output, model.translate(given["source"][:3]))
    torch.testing.assert_close(target, given["target"][:3])


def test_strips_of_both_ways_take_turns() -> None:
    model = cyclegan()
    given = {"a": pictures_of(5, 1, 16), "b": pictures_of(5, 1, 16, seed=1)}
    model.show(given)
    strips = model.pictures(16)
    assert strips.shape == (4, 1, 16, 64)
    for start, way, back, source, target in ((0, "AtoB", "BtoA", "a", "b"), (1, "BtoA", "AtoB", "b", "a")):
        tiles: list[Tensor] = list(strips[start::2].split(16, dim=3))
        output = model.translate(given[source][:2], way)
        for tile, wanted in zip(
            tiles, (given[source][:2], output, model.translate(output, back), given[target][:2]), strict=True
        ):
            torch.testing.assert_close(tile, wanted, atol=1e-5, rtol=1e-4)
