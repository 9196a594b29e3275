"""What every model must do. A model's test class inherits `Contract` and gives `tiny()`, a small model of its kind."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

import lightning_gans
from lightning_gans.core import adversarial
from lightning_gans.core.adversarial import AdversarialModule
from lightning_gans.core.latent import LatentModule
from lightning_gans.core.translation import TranslationModule
from tests.training import fit, same_state, state_of

__all__ = ["Contract", "TranslationContract"]


class Contract:
    """Inherited by the test class of each model."""

    constant: frozenset[str] = frozenset()
    """Parameters that the losses do not depend on; say why."""

    def tiny(self, **options: Any) -> AdversarialModule:
        """A small model, built by its public constructor; `options` are handed on."""
        raise TypeError("give tiny()")

    def data(self) -> Any:
        """The data it trains on; None: small digits of its image size."""
        return None

    def seeded(self, **options: Any) -> AdversarialModule:
        torch.manual_seed(1)
        return self.tiny(**options)

    def test_name_is_the_files(self) -> None:
        cls = type(self.tiny())
        module = importlib.import_module(cls.__module__)
        assert module.__all__[0] == cls.__name__
        assert getattr(lightning_gans, cls.__name__) is cls
        assert cls.__module__.rpartition(".")[2] in lightning_gans.list_models()

    def test_hparams_are_plain_and_rebuild_the_model(self) -> None:
        model = self.tiny(ema_decay=0.9)
        hparams = json.loads(json.dumps(dict(model.hparams)))
        assert hparams["model_name"] == model.model_name
        again = type(model)(**hparams)
        assert [p.shape for p in again.parameters()] == [p.shape for p in model.parameters()]
        assert json.dumps(dict(again.hparams)) == json.dumps(dict(model.hparams))

    def test_steps_are_iterations_and_every_weight_has_a_gradient(self) -> None:
        model = self.seeded()
        runner = fit(model, 4, self.data())
        assert (runner.global_step, model.iterations) == (4, 4)
        still = {name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()}
        assert still <= self.constant

    def test_only_the_moving_player_changes(self) -> None:
        model = self.seeded()
        seen: list[str] = []
        update = model.update

        def watched(player: str, loss: Any, batch: Any) -> Any:
            other = {"generator": "discriminator", "discriminator": "generator"}[player]
            before = {name: p.clone() for name, p in model.players[other].named_parameters()}
            moved = [p.clone() for p in model.players[player].parameters()]
            terms = update(player, loss, batch)
            assert all(torch.equal(p, before[name]) for name, p in model.players[other].named_parameters())
            assert all(p.requires_grad for p in model.players[other].parameters())
            assert any(not torch.equal(a, b) for a, b in zip(moved, model.players[player].parameters(), strict=True))
            assert all(name.startswith(f"{player}/") for name in terms)
            seen.append(player)
            return terms

        model.update = watched  # type: ignore[method-assign]
        fit(model, 2, self.data())
        assert set(seen) == {"generator", "discriminator"}

    def test_same_seed_same_run(self) -> None:
        states = []
        for _ in range(2):
            model = self.seeded(ema_decay=0.9)
            states.append(state_of(model, fit(model, 3, self.data())))
        assert same_state(*states) == []

    def test_resume_is_exact_and_checkpoint_is_plain(self, tmp_path: Path) -> None:
        path = str(tmp_path / "half.ckpt")
        schedule = {"ema_decay": 0.9, "lr_schedule": "cosine", "decay_iterations": 6}
        whole = self.seeded(**schedule)
        kept = state_of(whole, fit(whole, 6, self.data(), callbacks=[SaveAt(3, path)]))
        torch.load(path, weights_only=True)
        resumed = self.tiny(**schedule)  # other initial weights, other random state
        runner = fit(resumed, 6, self.data(), ckpt_path=path, seed=99)
        assert same_state(kept, state_of(resumed, runner)) == []

    def test_load_gives_the_same_model(self, tmp_path: Path) -> None:
        path = str(tmp_path / "model.ckpt")
        model = self.seeded(ema_decay=0.9)
        fit(model, 2, self.data()).save_checkpoint(path)
        loaded = lightning_gans.load(path)
        assert type(loaded) is type(model)
        assert not loaded.training
        assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())
        if isinstance(model, LatentModule) and isinstance(loaded, LatentModule):
            torch.testing.assert_close(model.generate(3, seed=5), loaded.generate(3, seed=5))
            assert type(type(model).load_from_checkpoint(path)) is type(model)

    def test_generated_images(self) -> None:
        model = self.seeded(ema_decay=0.9)
        fit(model, 2, self.data())
        assert isinstance(model, LatentModule)
        before, modes = torch.get_rng_state(), [m.training for m in model.modules()]
        weights = {key: value.clone() for key, value in model.state_dict().items()}
        images = model.generate(7, seed=3)
        assert images.shape == (7, *model.image_shape)
        assert images.dtype == torch.float32
        assert -1.0 <= images.min() < images.max() <= 1.0
        torch.testing.assert_close(model.generate(4, seed=3, batch_size=3), images[:4], atol=1e-5, rtol=0)
        assert not torch.allclose(model.generate(7, seed=4), images)
        assert not torch.allclose(images[0], images[1])
        assert torch.equal(torch.get_rng_state(), before)
        assert [m.training for m in model.modules()] == modes
        assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())

    def test_bf16_and_fp16_train(self) -> None:
        from pytorch_lightning.plugins import MixedPrecision

        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for plugin in (MixedPrecision("bf16-mixed", "cpu"), MixedPrecision("16-mixed", "cpu", scaler=scaler)):
            model = self.seeded(generator_clip=1.0, discriminator_clip=1.0)
            before = {player: [p.clone() for p in network.parameters()] for player, network in model.players.items()}
            fit(model, 2, self.data(), plugins=[plugin])
            for player, network in model.players.items():  # a scaler may skip steps, but not all
                assert any(not torch.equal(a, b) for a, b in zip(before[player], network.parameters(), strict=True))
            assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in model.parameters())

    def test_augment_reaches_what_the_critic_sees_in_both_turns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: dict[str, set[bool]] = {}
        rows = {"generator": 0, "discriminator": 0}
        mark = 0.123

        def watch(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            if model._moving is not None:
                augmented = bool((inputs[0].detach() == mark).all())
                rows[model._moving] += len(inputs[0]) * augmented
                seen.setdefault(model._moving, set()).add(augmented)

        monkeypatch.setattr(adversarial, "diff_augment", lambda images, *_: images * 0.0 + mark)
        model = self.seeded(augment="diffaugment:translation,cutout")
        network = model.discriminator
        for part in network.values() if isinstance(network, torch.nn.ModuleDict) else [network]:
            part.register_forward_pre_hook(watch)
        fit(model, 1, self.data())
        assert rows["discriminator"] >= 16  # a batch of 8, and as many fakes
        assert rows["generator"] >= 8
        assert seen["generator"] == {True}  # the other player's turn may have a penalty, whose points are not augmented

    def test_unknown_option_is_refused(self) -> None:
        with pytest.raises(TypeError, match="no_such_option"):
            self.tiny(no_such_option=1)


class TranslationContract(Contract):
    """Inherited by the test class of each model from images to images."""

    def test_generated_images(self) -> None:
        model = self.seeded(ema_decay=0.9)
        fit(model, 2, self.data())
        assert isinstance(model, TranslationModule)
        before, modes = torch.get_rng_state(), [m.training for m in model.modules()]
        weights = {key: value.clone() for key, value in model.state_dict().items()}
        for direction in model.directions:
            shape, made = model.shapes(direction)
            images = torch.rand(3, *shape, generator=torch.Generator().manual_seed(2)) * 2 - 1
            outputs = model.translate(images, direction)
            assert outputs.shape == (3, *made)
            assert outputs.dtype == torch.float32
            assert -1.0 <= outputs.min() < outputs.max() <= 1.0
            torch.testing.assert_close(
                model.translate(images, direction, batch_size=2)[:2], outputs[:2], atol=1e-5, rtol=0
            )
            alone = model.translate(images[:1], direction)
            torch.testing.assert_close(alone, outputs[:1], atol=1e-5, rtol=0)
            assert not torch.allclose(outputs[0], outputs[1])
        assert torch.equal(torch.get_rng_state(), before)
        assert [m.training for m in model.modules()] == modes
        assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


class SaveAt(pl.Callback):
    """Save a checkpoint after a given iteration, as our own callback does: at the end of the batch."""

    def __init__(self, iteration: int, path: str) -> None:
        self.iteration, self.path = iteration, path

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step == self.iteration:
            trainer.save_checkpoint(self.path)
