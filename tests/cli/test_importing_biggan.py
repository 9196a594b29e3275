"""``lightning-gans import`` of BigGAN-PyTorch's files: one checkpoint of both players, or one line that says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lightning_gans import load
from lightning_gans.core.latent import LatentModule
from lightning_gans.weights.biggan_pytorch import DISCRIMINATOR, GENERATOR
from lightning_gans.weights.layout import export
from tests.cli.conftest import Call
from tests.weights.biggan_states import biggan_pytorch, biggan_pytorch_critic


def test_import_writes_a_checkpoint_of_both_players(call: Call) -> None:
    states = {"G.pth": biggan_pytorch(), "D.pth": biggan_pytorch_critic()}
    for name, state in states.items():
        torch.save(state, name)
    answer = call("import", "G.pth", "D.pth", "--model", "biggan", "--out", "a/b.ckpt")
    assert (answer.code, answer.out) == (0, ""), answer.err
    assert "critic" not in answer.err
    alone = call("import", "G.pth", "--model", "biggan", "--out", "g.ckpt")
    assert (alone.code, alone.last) == (0, "the critic has no weights yet: what it judges, and its features, are noise")
    model = load("a/b.ckpt")
    for name, layout in (("G.pth", GENERATOR), ("D.pth", DISCRIMINATOR)):
        again = export(model.players[layout.player].state_dict(), layout, states[name])
        assert all(torch.equal(value, again[key]) for key, value in states[name].items())
    assert isinstance(model, LatentModule)
    assert model.generate(1, seed=0, bn="running").shape == (1, 3, 128, 128)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (
            "G.pth --model biggan_deep",
            2,
            "--model biggan_deep: G.pth holds a BigGAN-PyTorch generator; allowed: --model biggan",
        ),
        ("G.pth D.pth --model biggan", 1, "D.pth has num_classes 8, the file before 7"),
        (
            "other.pth --model biggan",
            1,
            "'other.pth' has no layout that is known (its first tensors: a); allowed: mimicry generator, mimicry discriminator, "
            "BigGAN-PyTorch generator, BigGAN-PyTorch discriminator, pytorch-pretrained-biggan generator, "
            "U-Net of pytorch-CycleGAN-and-pix2pix, ResNet of pytorch-CycleGAN-and-pix2pix, ResNet of pytorch-CycleGAN-and-pix2pix "
            "with dropout, PatchGAN of pytorch-CycleGAN-and-pix2pix, pixel GAN of pytorch-CycleGAN-and-pix2pix",
        ),
    ],
)
def test_what_cannot_be_imported_says_so(call: Call, flags: str, code: int, message: str) -> None:
    torch.save(biggan_pytorch(), "G.pth")
    torch.save(biggan_pytorch_critic(classes=8), "D.pth")
    torch.save({"a": torch.ones(1)}, "other.pth")
    answer = call("import", *flags.split(), "--out", "a.ckpt")
    assert (answer.code, answer.out, answer.last) == (code, "", f"error: {message}")
    assert not Path("a.ckpt").exists()
