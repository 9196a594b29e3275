"""Facts of Zhao et al. 2020, and what the engine does with them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_gans import DCGAN, DRAGAN, GAN, SNGAN
from lightning_gans.augment import OPERATIONS, diff_augment, parse_augment
from lightning_gans.core import adversarial
from lightning_gans.core.noise import Turn
from tests.training import fit, same_state, state_of


def draws(n: int = 1, **values: float) -> Tensor:
    """Numbers that leave an image as it is but for `values`: brightness, saturation, contrast, down, right, cut_down, cut_right."""
    names = ("brightness", "saturation", "contrast", "down", "right", "cut_down", "cut_right")
    row = dict.fromkeys(names, 0.5) | values
    return torch.tensor([[row[name] for name in names]]).repeat(n, 1)


def pictures(n: int = 3, channels: int = 3, height: int = 16, width: int = 16) -> Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_middle_draws_change_no_colour_and_no_place() -> None:
    images = pictures()
    torch.testing.assert_close(diff_augment(images, draws(3), ["color", "translation"]), images)


def test_brightness_is_added() -> None:
    images = pictures()
    for draw, added in ((0.0, -0.5), (1.0, 0.5), (0.75, 0.25)):
        torch.testing.assert_close(diff_augment(images, draws(3, brightness=draw), ["color"]), images + added)


def test_saturation_is_about_the_mean_over_channels() -> None:
    images = pictures()
    grey = images.mean(dim=1, keepdim=True).expand_as(images)
    torch.testing.assert_close(diff_augment(images, draws(3, saturation=0.0), ["color"]), grey)
    doubled = diff_augment(images, draws(3, saturation=1.0), ["color"])
    torch.testing.assert_close(doubled - grey, 2.0 * (images - grey))
    one = pictures(channels=1)
    torch.testing.assert_close(diff_augment(one, draws(3, saturation=0.1), ["color"]), one)


def test_contrast_is_about_the_mean_of_the_picture() -> None:
    images = pictures()
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    for draw, factor in ((0.0, 0.5), (1.0, 1.5)):
        changed = diff_augment(images, draws(3, contrast=draw), ["color"])
        torch.testing.assert_close(changed - middle, factor * (images - middle))


@pytest.mark.parametrize(("height", "width", "down", "right"), [(32, 32, 4, 4), (16, 28, 2, 4), (12, 8, 2, 1)])
def test_shifts_are_whole_pixels_up_to_an_eighth_with_zeros_coming_in(
    height: int, width: int, down: int, right: int
) -> None:
    image = pictures(1, 3, height, width) + 5.0  # no zeros of its own
    moved = diff_augment(image, draws(down=0.999, right=0.0), ["translation"])
    assert torch.equal(moved[:, :, down:, : width - right], image[:, :, : height - down, right:])
    assert not moved[:, :, :down].any()
    assert not moved[:, :, :, width - right :].any()
    shifts = set()
    for draw in torch.linspace(0, 0.999, 200):
        moved = diff_augment(image, draws(down=float(draw)), ["translation"])
        empty = (moved[0, 0] == 0).all(dim=1)
        shifts.add(int(empty.sum()) * (1 if bool(empty[0]) else -1))
    assert shifts == set(range(-down, down + 1))


@pytest.mark.parametrize("side", [16, 32, 28, 9])
def test_a_square_of_half_the_side_is_cut_out_and_its_middle_is_anywhere(side: int) -> None:
    size = int(side / 2 + 0.5)
    image = torch.ones(1, 2, side, side)
    cut = diff_augment(image, draws(), ["cutout"])
    assert int((cut[0, 0] == 0).sum()) == size * size
    starts, counts = set(), set()
    for draw in torch.linspace(0, 0.999, 400):
        cut = diff_augment(image, draws(cut_down=float(draw)), ["cutout"])[0, 0]
        gone = (cut == 0).any(dim=1).nonzero().flatten()
        starts.add((int(gone[0]), int(gone[-1])))
        counts.add(len(gone))
        assert torch.equal(cut, cut.clamp(0, 1))
    assert (min(counts), max(counts)) == (size // 2 if size % 2 == 0 else size // 2 + 1, size)
    assert min(first for first, _ in starts) == 0
    assert max(last for _, last in starts) == side - 1
    assert len(starts) == side + (1 - size % 2)


def test_each_image_has_its_own_draws_and_order_is_fixed() -> None:
    images = pictures(2)
    both = torch.rand(2, 7, generator=torch.Generator().manual_seed(1))
    whole = diff_augment(images, both)
    for row in range(2):
        torch.testing.assert_close(whole[row : row + 1], diff_augment(images[row : row + 1], both[row : row + 1]))
    step = images
    for operation in ("color", "translation", "cutout"):
        step = diff_augment(step, both, [operation])
    assert torch.equal(step, whole)


def test_pictures_of_a_pair_are_augmented_alike() -> None:
    pairs, numbers = pictures(6).view(3, 2, 3, 16, 16), torch.rand(3, 7)
    together = diff_augment(pairs, numbers)
    for place in range(2):
        torch.testing.assert_close(together[:, place], diff_augment(pairs[:, place], numbers))


def test_colours_of_groups_of_channels_do_not_mix() -> None:
    white, black = torch.ones(2, 3, 16, 16), -torch.ones(2, 1, 16, 16)
    stacked = torch.cat([white, black], dim=1)
    numbers = draws(2, saturation=0.0, contrast=0.0)
    assert torch.equal(diff_augment(stacked, numbers, ["color"], (3, 1)), stacked)
    assert not torch.equal(diff_augment(stacked, numbers, ["color"]), stacked)


def test_groups_of_channels_share_their_draws() -> None:
    source, target = pictures(2), pictures(2, channels=2)
    numbers = torch.rand(2, 7, generator=torch.Generator().manual_seed(3))
    together = diff_augment(torch.cat([source, target], dim=1), numbers, OPERATIONS, (3, 2))
    apart = [diff_augment(images, numbers) for images in (source, target)]
    assert torch.equal(together, torch.cat(apart, dim=1))


def test_gradients_pass_through() -> None:
    images = pictures(2, height=8, width=8).double().requires_grad_()
    numbers = torch.rand(2, 7, generator=torch.Generator().manual_seed(2)).double()
    assert torch.autograd.gradcheck(lambda x: diff_augment(x, numbers), images)


@pytest.mark.parametrize(
    ("augment", "operations"),
    [
        (None, ()),
        ("diffaugment", OPERATIONS),
        ("diffaugment:color,translation,cutout", OPERATIONS),
        ("diffaugment:cutout, color", ("color", "cutout")),
    ],
)
def test_names(augment: str | None, operations: tuple[str, ...]) -> None:
    assert parse_augment(augment) == operations


@pytest.mark.parametrize("augment", ["ada2", "diffaugment:", "diffaugment:colour", "diffaugment:color,color", ""])
def test_wrong_names(augment: str) -> None:
    with pytest.raises(ValueError) as caught:
        DCGAN((1, 16, 16), augment=augment)
    assert str(caught.value) == (
        f"augment '{augment}'; allowed: None, diffaugment, or diffaugment: with some of color, translation, cutout, by comma"
    )


def test_images_too_small_to_shift_are_refused() -> None:
    message = r"^augment 'diffaugment' for images of 4x4; allowed: 8 pixels or more a side$"
    with pytest.raises(ValueError, match=message):
        GAN((1, 4, 4), augment="diffaugment")


SMALL: dict[str, Any] = {"generator_channels": 4, "discriminator_channels": 4, "latent_dim": 6}


def test_off_by_default_and_then_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    states = []
    for hidden in (False, True):
        if hidden:
            monkeypatch.setattr(adversarial, "diff_augment", None)
        torch.manual_seed(1)
        model = DCGAN((1, 16, 16), **SMALL)
        runner = fit(model, 2)
        calls.append(model._turn.calls)
        states.append(state_of(model, runner))
    assert same_state(*states) == []
    assert calls == [0, 0]  # the generator's turn drew nothing: its fakes are shared
    augmented = DCGAN((1, 16, 16), augment="diffaugment", **SMALL)
    monkeypatch.undo()
    fit(augmented, 1)
    assert augmented._turn.calls == 1


def test_reals_and_fakes_have_draws_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    def spy(images: Tensor, numbers: Tensor, operations: tuple[str, ...], groups: object) -> Tensor:
        seen.append(numbers)
        assert operations == ("cutout",)
        return images

    monkeypatch.setattr(adversarial, "diff_augment", spy)
    fit(DCGAN((1, 16, 16), augment="diffaugment:cutout", **SMALL), 2)
    assert len(seen) == 6  # real, fake, and the generator's turn, twice
    assert len(torch.cat(seen).flatten().unique()) == 6 * 8 * 7
    assert 0.0 <= torch.cat(seen).min() < 0.05
    assert 0.95 < torch.cat(seen).max() < 1.0


def test_two_processes_augment_each_fake_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SNGAN((1, 16, 16), augment="diffaugment", **SMALL)
    assert model.generator_batch_factor == 2
    seen: list[Tensor] = []

    def spy(images: Tensor, numbers: Tensor, operations: tuple[str, ...], groups: object) -> Tensor:
        seen.append(numbers)
        return images

    monkeypatch.setattr(adversarial, "diff_augment", spy)
    model._moving = "generator"
    for rank, world in ((0, 1), (0, 2), (1, 2)):
        model._turn = Turn(seed=1, rank=rank, world=world)
        model.augmented(torch.zeros(2 * 4 // world, 1, 16, 16))  # two fakes for each of four real images
    whole = seen[0].view(4, 2, 7)  # a real image, its fakes
    for rank in range(2):
        assert torch.equal(seen[1 + rank].view(2, 2, 7), whole[rank::2])


def test_accumulation_changes_nothing() -> None:
    weights = []
    for accumulate in (1, 4):
        torch.manual_seed(1)
        model = DRAGAN((1, 8, 8), network="mlp", accumulate=accumulate, augment="diffaugment", **SMALL)  # no batch norm
        fit(model, 3)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*weights, atol=1e-6, rtol=1e-5)


def test_nothing_is_augmented_outside_of_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversarial, "diff_augment", None)
    model = DCGAN((1, 16, 16), augment="diffaugment", **SMALL)
    images = pictures(2, 1)
    assert torch.equal(model.augmented(images), images)
