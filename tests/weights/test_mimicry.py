"""Weights of mimicry's layout give mimicry's pictures and logits; every tensor is used; others are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import lightning_gans
from lightning_gans.cli import main
from lightning_gans.core.latent import LatentModule
from lightning_gans.weights import mimicry
from lightning_gans.weights.files import ForeignFile, find_layout, read_options, read_weights
from lightning_gans.weights.layout import convert, export
from tests.weights.mimicry_nets import Critic, Generator

CASES = {"sngan": ("sngan", None), "projection": ("sngan", 3), "sagan": ("sagan", 3)}


@pytest.fixture(params=CASES)
def trained(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Generator, Critic, Path]:
    """A pair of networks after two passes, in which no power iteration converges, and the folder of their files."""
    torch.manual_seed(0)
    model, classes = CASES[request.param]
    generator, critic = Generator(8, 6, classes, model == "sagan"), Critic(8, classes, model == "sagan")
    with torch.no_grad():
        for _ in range(2):
            labels = torch.tensor([0, 2, 1, 0])
            critic(generator(torch.randn(4, 6), labels), labels)
    torch.save({"model_state_dict": generator.state_dict(), "global_step": 7}, tmp_path / "netG.pth")
    torch.save(critic.state_dict(), tmp_path / "netD.pth")
    return model, generator.eval(), critic.eval(), tmp_path


def imported(model: str, folder: Path, *files: str) -> LatentModule:
    out = folder / "new" / "imported.ckpt"
    assert main(["import", *(str(folder / file) for file in files), "--model", model, "--out", str(out)]) == 0
    loaded = lightning_gans.load(out)
    assert isinstance(loaded, LatentModule)
    return loaded


def test_same_pictures_and_logits(trained: tuple[str, Generator, Critic, Path]) -> None:
    name, generator, critic, folder = trained
    model = imported(name, folder, "netG.pth", "netD.pth")
    latents, labels = torch.randn(4, 6), torch.tensor([0, 1, 2, 2])
    given = labels if model.is_conditional else None
    with torch.no_grad():
        images = generator(latents, labels)
        torch.testing.assert_close(model.render(latents, given, bn="running"), images, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(model.discriminate(images, given), critic(images, labels), atol=1e-4, rtol=1e-3)
    alone = imported(name, folder, "netG.pth")
    torch.testing.assert_close(alone.render(latents, given, bn="running"), images, atol=1e-4, rtol=1e-3)


def test_there_and_back_is_exact(trained: tuple[str, Generator, Critic, Path]) -> None:
    name, _, _, folder = trained
    model = imported(name, folder, "netG.pth", "netD.pth")
    for file, network in (("netG.pth", model.generator), ("netD.pth", model.discriminator)):
        state = read_weights(folder / file)
        layout = find_layout(state, file)
        back = export(network.state_dict(), layout, state)
        assert back.keys() == state.keys()
        assert all(torch.equal(back[key], state[key]) for key in back)
        again = convert(back, layout, network.state_dict())
        assert all(torch.equal(again[key], value) for key, value in network.state_dict().items())


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state: dict[str, Tensor] = dict(Generator(8, 6, None, False).state_dict())
    model = lightning_gans.SNGAN((3, 32, 32), latent_dim=6, generator_channels=8, discriminator_channels=8)

    def attempt(change: dict[str, Any], target: Any = model) -> None:
        changed = {key: value for key, value in {**state, **change}.items() if value is not None}
        torch.save(changed, tmp_path / "G.pth")
        target.load_weights(tmp_path / "G.pth")

    attempt({})
    with pytest.raises(ValueError, match=r"^no 'b5.bias', which a mimicry generator has; here it is norm.bias$"):
        attempt({"b5.bias": None})
    with pytest.raises(ValueError, match=r"^'extra.weight' has no place in this model \(of 1 such tensors\)$"):
        attempt({"extra.weight": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"^'l1.weight' of 64x6; this model's dense.weight has 128x6$"):
        attempt({"l1.weight": torch.zeros(64, 6)})
    with pytest.raises(ValueError, match=r"^these weights are of residual blocks, and this model's network has none$"):
        attempt({}, lightning_gans.SNGAN((3, 32, 32), network="cnn", generator_channels=4, discriminator_channels=4))
    with pytest.raises(
        ValueError, match=r"^'.*' holds a mimicry generator: weights of sngan or sagan, not of 'dcgan'$"
    ):
        attempt({}, lightning_gans.DCGAN((3, 32, 32), generator_channels=4, discriminator_channels=4))
    message = r"has no layout that is known \(its first tensors: a.weight\); allowed: mimicry generator, mimicry discriminator,"
    torch.save({"a.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=message):
        model.load_weights(tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ValueError, match="holds no weights"):
        model.load_weights(tmp_path / "text.pth")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(ValueError, match=r"^'.*text.safetensors' is damaged, or holds no weights$"):
        model.load_weights(tmp_path / "text.safetensors")
    with pytest.raises(FileNotFoundError, match="no weights at"):
        model.load_weights(tmp_path / "none.pth")
    assert mimicry.GENERATOR.options(state)["image_shape"] == (3, 32, 32)


def test_what_follows_from_others_may_stay_unused_but_not_be_wrong(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = dict(Critic(8, 3, True).state_dict())
    model = lightning_gans.SAGAN(
        (3, 32, 32), num_classes=3, latent_dim=6, generator_channels=8, discriminator_channels=8
    )
    torch.save(state, tmp_path / "D.pth")
    assert model.load_weights(tmp_path / "D.pth") == "mimicry discriminator"
    assert torch.equal(model.discriminator.head.u, state["l5.weight_u"])
    for change, message in (
        ({"l5.weight_v": torch.zeros(9)}, r"^'l5.weight_v' of 9; allowed: 8$"),
        ({"block1.c1.sn_sigma": torch.zeros(2)}, r"^'block1.c1.sn_sigma' of 2; allowed: 1$"),
        ({"other.weight_v": torch.zeros(8)}, r"^'other.weight_v' belongs to no weight of this file$"),
    ):
        torch.save({**state, **change}, tmp_path / "D.pth")
        with pytest.raises(ValueError, match=message):
            model.load_weights(tmp_path / "D.pth")


def test_command_line_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(Critic(8, None, False).state_dict(), tmp_path / "D.pth")
    assert main(["import", str(tmp_path / "D.pth"), "--model", "sngann", "--out", str(tmp_path / "x.ckpt")]) == 2
    assert "unknown --model 'sngann'. Did you mean sngan?" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "D.pth"), "--model", "sngan", "--out", str(tmp_path / "x.ckpt")]) == 2
    assert "holds a discriminator; allowed: a generator, and a discriminator besides" in capsys.readouterr().err
    assert not (tmp_path / "x.ckpt").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"l1.weight": None}, "'G.pth' has no 'l1.weight', which a mimicry generator has"),
        ({"l1.weight": torch.zeros(128)}, "'G.pth' has tensors of other shapes than a mimicry generator"),
        ({"block2.c1.weight": torch.zeros(8, 0)}, "'G.pth' has tensors of other shapes than a mimicry generator"),
        (
            {"block3.b1.embed.weight": torch.zeros(3)},
            "'block3.b1.embed.weight' of 3; this model's blocks.1.norm1.gain.weight has 3x8",
        ),
    ],
)
def test_files_with_a_part_missing_or_misshapen(change: dict[str, Tensor | None], message: str) -> None:
    state = {**Generator(8, 6, 3, False).state_dict(), **change}
    state = {key: value for key, value in state.items() if value is not None}
    options: dict[str, Any] = {"latent_dim": 6, "generator_channels": 8, "discriminator_channels": 4}
    ours = lightning_gans.SNGAN((3, 32, 32), num_classes=3, conditional=True, **options).generator.state_dict()

    def read() -> None:
        read_options(ForeignFile("G.pth", state, find_layout(state, "G.pth")))
        convert(state, mimicry.GENERATOR, ours)

    with pytest.raises(ValueError) as caught:
        read()
    assert str(caught.value) == message
