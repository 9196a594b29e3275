"""Weights of the reference code's layout give its pictures and logits, and come back as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lightning_gans import CycleGAN, Pix2Pix, load
from lightning_gans.cli import main
from lightning_gans.core.modes import evaluating
from lightning_gans.core.translation import TranslationModule
from lightning_gans.weights.files import read_weights
from tests.translation import pictures_of
from tests.weights.translation_nets import patch, pixel, resnet, unet

PAIRS: dict[str, tuple[Any, Any, int]] = {
    "unet_256": (lambda: unet(3, 1, 2, 8), lambda: patch(4, 2), 256),
    "unet_32": (lambda: unet(3, 1, 2, 5), lambda: patch(4, 2, 1), 32),
    "unet_64 instance": (lambda: unet(3, 1, 2, 6, "instance"), lambda: pixel(4, 2, "instance"), 64),
    "unet_32 pixel": (lambda: unet(1, 3, 2, 5), lambda: pixel(4, 2), 32),
    "resnet_9": (lambda: resnet(3, 3, 2, 9), lambda: patch(6, 2, 2, "instance"), 32),
    "resnet_6 dropout": (lambda: resnet(3, 3, 2, 6, "batch", True), lambda: patch(6, 2, 4), 64),
    "resnet_6 batch": (lambda: resnet(3, 3, 2, 6, "batch"), lambda: patch(6, 2, 3), 32),
}


def trained(network: nn.Module, channels: int, side: int) -> nn.Module:
    """Weights large enough to matter, statistics and gains that are not those of a start."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias, 0.0, 0.3)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.3)
    with torch.no_grad():
        for seed in range(4):
            network.train()(pictures_of(3, channels, side, seed=seed))
    return network.eval()


def test_the_file_of_the_other_generator_is_refused(tmp_path: Path) -> None:
    torch.save(resnet(3, 3, 2, 6).state_dict(), tmp_path / "resnet.pth")
    torch.save(unet(3, 3, 2, 5).state_dict(), tmp_path / "unet.pth")
    shapes: dict[str, Any] = {"source_shape": (3, 32, 32), "target_shape": (3, 32, 32), "generator_channels": 2}
    for network, name, layout in (("unet_32", "resnet", "ResNet"), ("resnet_6", "unet", "U-Net")):
        model = Pix2Pix(**shapes, discriminator_channels=2, network=network)
        with pytest.raises(
            ValueError, match=rf"^this model's .* has no place in a {layout} of pytorch-CycleGAN-and-pix2pix"
        ):
            model.load_weights(tmp_path / f"{name}.pth")


@pytest.mark.parametrize("case", PAIRS)
def test_same_pictures_and_logits_and_back_again(case: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    make_generator, make_critic, side = PAIRS[case]
    inside = 1 if case == "unet_32 pixel" else 3
    generator, critic = trained(make_generator(), inside, side), make_critic()
    critic = trained(critic, 4 if "unet" in case else 6, side)
    torch.save(generator.state_dict(), tmp_path / "latest_net_G.pth")
    torch.save(critic.state_dict(), tmp_path / "latest_net_D.pth")
    files = [str(tmp_path / f"latest_net_{letter}.pth") for letter in "GD"]
    assert main(["import", *files, "--model", "pix2pix", "--out", str(tmp_path / "a.ckpt")]) == 0
    model = load(tmp_path / "a.ckpt")
    assert isinstance(model, Pix2Pix)
    images = pictures_of(2, inside, side, seed=9)
    with torch.no_grad(), evaluating(model.generator), evaluating(model.discriminator):
        outputs = model.generator(images)
        torch.testing.assert_close(outputs, generator(images), atol=1e-4, rtol=1e-3)
        assert outputs.std() > 0.05
        joined = torch.cat([images, outputs], dim=1)
        torch.testing.assert_close(model.discriminate(joined), critic(joined), atol=1e-3, rtol=1e-3)
    again = model.export_weights(tmp_path / "back")
    assert [path.name for path in again] == ["latest_net_G.pth", "latest_net_D.pth"]
    for path, network in zip(again, (generator, critic), strict=True):
        theirs, ours = network.state_dict(), read_weights(path)
        assert theirs.keys() == ours.keys()
        assert all(torch.equal(theirs[key], ours[key]) for key in theirs)


def test_four_files_of_a_cyclegan_and_its_naming_trap(tmp_path: Path) -> None:
    torch.manual_seed(0)
    networks = {
        "G_A": trained(resnet(3, 1, 2, 6), 3, 32),
        "G_B": trained(resnet(1, 3, 2, 6), 1, 32),
        "D_A": trained(patch(1, 2, 2, "instance"), 1, 32),
        "D_B": trained(patch(3, 2, 2, "instance"), 3, 32),
    }
    for name, network in networks.items():
        torch.save(network.state_dict(), tmp_path / f"latest_net_{name}.pth")
    files = [str(tmp_path / f"latest_net_{name}.pth") for name in networks]
    assert main(["import", *files, "--model", "cyclegan", "--out", str(tmp_path / "a.ckpt")]) == 0
    model = load(tmp_path / "a.ckpt")
    assert isinstance(model, CycleGAN)
    a, b = pictures_of(2, 3, 32), pictures_of(2, 1, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.translate(a, "AtoB"), networks["G_A"](a), atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(model.translate(b, "BtoA"), networks["G_B"](b), atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(model.discriminate(b, name="b"), networks["D_A"](b), atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(model.discriminate(a, name="a"), networks["D_B"](a), atol=1e-3, rtol=1e-3)
    for path in model.export_weights(tmp_path / "back", "200"):
        theirs = networks[path.stem.removeprefix("200_net_")].state_dict()
        ours = read_weights(path)
        assert theirs.keys() == ours.keys()
        assert all(torch.equal(theirs[key], ours[key]) for key in theirs)


def test_old_files_hold_statistics_that_were_never_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    network = trained(resnet(3, 3, 2, 9), 3, 32)
    state = network.state_dict()
    for name in ("model.2", "model.10.conv_block.2", "model.10.conv_block.6"):
        state[f"{name}.running_mean"] = torch.ones(2)
        state[f"{name}.running_var"] = torch.ones(2)
        state[f"{name}.num_batches_tracked"] = torch.ones(())
    torch.save(state, tmp_path / "latest_net_G.pth")
    out = tmp_path / "a.ckpt"
    assert main(["import", str(tmp_path / "latest_net_G.pth"), "--model", "cyclegan", "--out", str(out)]) == 0
    assert "one way of this cyclegan has no weights yet: what it draws is noise" in capsys.readouterr().err
    model = load(out)
    assert isinstance(model, TranslationModule)
    images = pictures_of(1, 3, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.translate(images), network(images), atol=1e-4, rtol=1e-3)


def test_what_does_not_fit_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    torch.save(unet(3, 3, 2, 5).state_dict(), tmp_path / "latest_net_G.pth")
    torch.save(patch(6, 2, 1, "instance").state_dict(), tmp_path / "latest_net_D.pth")
    torch.save(unet(3, 3, 2, 5).state_dict(), tmp_path / "other_net_G.pth")
    out = str(tmp_path / "a.ckpt")
    g, d, other = (str(tmp_path / name) for name in ("latest_net_G.pth", "latest_net_D.pth", "other_net_G.pth"))
    for files, model, code, message in (
        ([g, d], "pix2pix", 1, f"{d} has norm instance, the file before batch"),
        ([g, other], "pix2pix", 2, f"{other} holds a generator, as {g} does; allowed: one of each"),
        ([g], "dcgan", 2, f"{g} holds a U-Net of pytorch-CycleGAN-and-pix2pix; allowed: --model pix2pix or cyclegan"),
    ):
        assert main(["import", *files, "--model", model, "--out", out]) == code
        assert message in capsys.readouterr().err
    model = Pix2Pix((3, 32, 32), (3, 32, 32), network="unet_32", receptive_field=16, generator_channels=3)
    with pytest.raises(
        ValueError, match=r"^'model.model.0.weight' of 2x3x4x4; this model's blocks.0.down.weight has 3x3x4x4$"
    ):
        model.load_weights(g)
    lua = Pix2Pix((3, 32, 32), (3, 32, 32), network="unet_32", receptive_field=16, generator_channels=2, release="lua")
    with pytest.raises(
        ValueError, match=r"^networks of release 'lua'; allowed: pytorch, which is what the files are of$"
    ):
        lua.export_weights(tmp_path / "no")
    assert not (tmp_path / "no").exists()
    two = CycleGAN((3, 32, 32), (3, 32, 32), network="unet_32", receptive_field=16)
    torch.save(patch(3, 64, 1, "instance").state_dict(), tmp_path / "critic.pth")
    with pytest.raises(ValueError, match=r"does not tell which critic it is; allowed: \*net_D_A\.pth, \*net_D_B\.pth$"):
        two.load_weights(tmp_path / "critic.pth")
