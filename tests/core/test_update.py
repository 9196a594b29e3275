"""Turns: noise, shared fakes, clipping, averages, schedules, the door to the critic."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

from lightning_gans import DCGAN, load
from lightning_gans.callbacks import SampleGrid
from lightning_gans.core.noise import Turn, draw, stream
from tests.core.toys import Toy, images_loader, seeded, weights
from tests.training import fit, same_state, state_of


def test_processes_take_interleaved_rows_of_one_draw() -> None:
    def noise(rows: int, rank: int = 0, world: int = 1, chunks: int = 1) -> list[Tensor]:
        turn = Turn(seed=3, iteration=5, number=1, chunks=chunks, rank=rank, world=world)
        drawn = []
        for chunk in range(chunks):
            turn.start_chunk(chunk)
            drawn.append(turn.noise((rows, 2), "normal", torch.Generator()))
        return drawn

    (whole,) = noise(8)
    assert torch.equal(noise(4, rank=1, world=2)[0], whole[1::2])
    assert torch.equal(torch.cat(noise(2, rank=0, world=2, chunks=2)), whole[0::2])


def test_noise_differs_by_seed_iteration_turn_and_call() -> None:
    generator = torch.Generator()
    seen = {
        float(Turn(seed=s, iteration=i, number=n, calls=c).noise((1,), "normal", generator))
        for s in range(2)
        for i in range(2)
        for n in range(2)
        for c in range(2)
    }
    assert len(seen) == 16
    assert stream(1, 23) != stream(12, 3)
    with pytest.raises(ValueError, match=r"^distribution 'gamma'; allowed: normal, uniform$"):
        draw((1,), "gamma", generator)


def test_shared_fakes_are_one_generator_pass_and_give_both_players_their_gradient() -> None:
    passes: list[int] = []

    def counted(**options: Any) -> Toy:
        model = seeded(penalty=0.0, **options)
        model.generator.register_forward_hook(lambda *_: passes.append(1))
        fit(model, 3, images_loader(40, 4))
        return model

    counted()
    assert len(passes) == 3
    passes.clear()
    counted(share_fakes=False)
    assert len(passes) == 6
    passes.clear()
    counted(accumulate=2)
    assert len(passes) == 12
    with pytest.raises(ValueError, match=r"^share_fakes with d_steps=2, accumulate=1; allowed: only when both are 1$"):
        Toy(share_fakes=True, d_steps=2)


def test_shared_fakes_equal_a_hand_written_iteration() -> None:
    """One iteration against plain PyTorch: critic step on detached fakes, generator step through the stepped critic."""
    model, mirror = seeded(penalty=0.0), seeded(penalty=0.0)
    images, _ = next(iter(images_loader(40, 4)))
    fit(model, 1, images_loader(40, 4))
    d_opt = torch.optim.Adam(mirror.discriminator.parameters(), lr=1e-3, betas=(0.0, 0.9))
    g_opt = torch.optim.Adam(mirror.generator.parameters(), lr=1e-3, betas=(0.0, 0.9))
    fakes = mirror.generator(model.drawn[0])
    (mirror.discriminator(fakes.detach()).mean() - mirror.discriminator(images).mean()).backward()
    d_opt.step()
    g_opt.zero_grad()
    (-mirror.discriminator(fakes).mean()).backward()
    g_opt.step()
    torch.testing.assert_close(weights(model), weights(mirror))


def test_a_second_generator_update_draws_anew() -> None:
    class Twice(Toy):
        def generator_turn(self, batch: Any) -> None:
            super().generator_turn(batch)
            super().generator_turn(batch)

    passes: list[int] = []
    model = Twice()
    model.generator.register_forward_hook(lambda *_: passes.append(1))
    fit(model, 2, images_loader(40, 4))
    assert len(passes) == 4


def test_samples_follow_the_weights_without_an_average() -> None:
    model = seeded(batch_norm=True)
    fit(model, 2, images_loader(40, 4))
    first = model.generate(4, seed=0)
    torch.testing.assert_close(model.generate(4, seed=0), first, atol=0, rtol=0)
    fit(model, 2, images_loader(40, 4))
    assert not torch.equal(model.generate(4, seed=0), first)


def test_clipping_is_by_player_and_sees_unscaled_gradients() -> None:
    from pytorch_lightning.plugins import MixedPrecision

    for plugins in ([], [MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=1024.0))]):
        free, model = seeded(penalty=0.0), seeded(penalty=0.0, discriminator_clip=1e-3)
        norms: list[float] = []
        model.adjust_gradients = partial(measure, model, norms)  # type: ignore[method-assign]
        fit(free, 1, images_loader(40, 4), plugins=plugins, log_every_n_steps=1)
        fit(model, 1, images_loader(40, 4), plugins=plugins, log_every_n_steps=1)
        assert total_norm(model, "discriminator") == pytest.approx(1e-3, rel=1e-2)
        assert norms[0] == pytest.approx(free.terms["discriminator/grad_norm"].item(), rel=1e-2)
        assert total_norm(model, "generator") == pytest.approx(model.terms["generator/grad_norm"].item(), rel=1e-2)


def measure(model: Toy, norms: list[float], player: str) -> None:
    norms.append(total_norm(model, player))


def total_norm(model: Toy, player: str) -> float:
    return torch.nn.utils.get_total_norm([p.grad for p in model.players[player].parameters()]).item()


def test_average_warms_up_starts_late_and_copies_buffers() -> None:
    model = seeded(batch_norm=True, ema_decay=0.999, ema_start=2)
    kept: list[Tensor] = []

    def expected(iteration: int, average: Tensor) -> Tensor:
        t = iteration - 1 - 2
        decay = 0.0 if t < 0 else min(0.999, (1 + t) / (10 + t))
        return decay * average + (1 - decay) * kept[iteration - 1]

    step = model.update_averages

    def watched() -> None:
        kept.append(weights(model.generator))
        step()

    model.update_averages = watched  # type: ignore[method-assign]
    average = weights(model.generator)
    fit(model, 5, images_loader(40, 4))
    for iteration in range(1, 6):
        average = expected(iteration, average)
    assert model.generator_ema is not None
    torch.testing.assert_close(weights(model.generator_ema), average)
    for mine, theirs in zip(model.generator.buffers(), model.generator_ema.buffers(), strict=True):
        assert torch.equal(mine, theirs)
    assert not any(p.requires_grad for p in model.generator_ema.parameters())
    assert Toy().generator_ema is None


def test_schedule_counts_iterations_and_its_end_is_kept(tmp_path: Any) -> None:
    model = seeded(lr_schedule="linear", d_steps=2)
    runner = fit(model, 4, images_loader(40, 4))
    assert [o.param_groups[0]["lr"] for o in runner.optimizers] == pytest.approx([1e-3 * 0.25] * 2)
    runner.save_checkpoint(tmp_path / "a.ckpt")
    longer = Toy(lr_schedule="linear", d_steps=2)
    runner = fit(longer, 6, images_loader(40, 4), ckpt_path=str(tmp_path / "a.ckpt"))
    assert (longer.decay_end, longer.iterations) == (4, 6)
    assert runner.optimizers[0].param_groups[0]["lr"] == 0.0
    with pytest.raises(
        ValueError, match=r"^lr_schedule 'cosine' in a run without an end; set decay_iterations or max_steps$"
    ):
        fit(Toy(lr_schedule="cosine"), -1, images_loader(40, 4), limit_train_batches=2)


@pytest.mark.slow
def test_compiled_networks_train_as_eager_ones_and_keep_keys() -> None:
    """With a gradient penalty, which needs the eager critic: a compiled one has no second derivative."""
    eager, compiled = seeded(), seeded(compile=True)
    fit(eager, 3, images_loader(40, 4))
    used: list[str] = []
    discriminate = compiled.discriminate

    def watched(images: Tensor) -> Tensor:
        used.append(type(compiled._compiled[id(compiled.discriminator)]).__name__)
        return discriminate(images)

    compiled.discriminate = watched  # type: ignore[method-assign, assignment]
    fit(compiled, 3, images_loader(40, 4))
    torch.testing.assert_close(weights(compiled), weights(eager), atol=1e-5, rtol=1e-4)
    assert compiled.state_dict().keys() == eager.state_dict().keys()
    assert set(used) == {"OptimizedModule"}


def test_every_kind_of_batch_trains() -> None:
    images = torch.rand(8, 1, 8, 8) * 2 - 1
    bytes_ = ((images + 1) * 127.5).round().to(torch.uint8)
    for batch in (
        images,
        [images],
        (images, torch.zeros(8, dtype=torch.int64)),
        {"images": bytes_},
        {"images": images, "x": 1},
    ):
        model = seeded()
        loader = torch.utils.data.DataLoader([batch] * 2, batch_size=None)
        assert fit(model, 2, loader).global_step == 2
        torch.testing.assert_close(model.seen[0], images, atol=5e-3, rtol=0)


def test_options_outside_what_they_allow() -> None:
    for options, message in (
        ({"d_steps": 0}, "d_steps=0; allowed: 1 or more"),
        ({"accumulate": 0}, "accumulate=0; allowed: 1 or more"),
        ({"ema_decay": 1.0}, "ema_decay=1.0; allowed: None, or from 0 up to but not including 1"),
        ({"generator_clip": 0.0}, "generator_clip=0.0; allowed: None, or more than 0"),
        (
            {"lr_schedule": "x"},
            "lr_schedule 'x'; allowed: constant, linear, constant_linear, cosine, exponential, step",
        ),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            Toy(**options)


def test_precision_and_strategy_the_engine_cannot_do() -> None:
    with pytest.raises(ValueError, match=r"^precision 'bf16-true'; allowed: 32-true, bf16-mixed, 16-mixed$"):
        fit(Toy(), 1, images_loader(8, 4), precision="bf16-true")


def test_logs_and_pictures_do_not_change_a_run(tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_norm": True, "dropout": 0.3, "ema_decay": 0.9}
    quiet, logged = seeded(**options), seeded(**options)
    first = state_of(quiet, fit(quiet, 4))
    logger, grid = CSVLogger(tmp_path), SampleGrid(every=1, folder=tmp_path)
    second = state_of(logged, fit(logged, 4, log_every_n_steps=1, logger=logger, callbacks=[grid]))
    assert same_state(first, second) == []
    assert len(list(tmp_path.glob("*.png"))) == 5


def test_a_loaded_model_starts_a_run_of_its_own(tmp_path: Path) -> None:
    """Training mode, the user's seed and a new decay: only `ckpt_path` resumes."""
    path = str(tmp_path / "a.ckpt")
    kind: dict[str, Any] = {"image_shape": (1, 16, 16), "generator_channels": 4, "discriminator_channels": 4}
    fit(DCGAN(**kind, lr_schedule="linear"), 2).save_checkpoint(path)
    ends = []
    for seed in (1, 2, 2):
        before = torch.get_rng_state()
        model = load(path)
        assert torch.equal(torch.get_rng_state(), before)
        runner = fit(model, 2, seed=seed)
        assert model.training
        assert model.generator.training
        assert (model.iterations, model.decay_end) == (4, 4)
        assert runner.optimizers[0].param_groups[0]["lr"] > 0
        ends.append(weights(model))
    assert not torch.equal(ends[0], ends[1])
    assert torch.equal(ends[1], ends[2])


def test_an_explicit_end_of_the_decay_beats_the_checkpoints(tmp_path: Path) -> None:
    path = str(tmp_path / "a.ckpt")
    fit(seeded(lr_schedule="linear"), 2, images_loader(40, 4)).save_checkpoint(path)
    model = seeded(lr_schedule="linear", decay_iterations=100)
    fit(model, 3, images_loader(40, 4), ckpt_path=path)
    assert model.decay_end == 100


def test_images_of_another_shape_are_refused() -> None:
    model = DCGAN((1, 16, 16), generator_channels=4, discriminator_channels=4)
    with pytest.raises(ValueError, match=r"^images of 1x8x8; this model was built for 1x16x16 \(image_shape\)$"):
        fit(model, 1, images_loader(8, 4))


def test_labels_a_conditional_model_needs() -> None:
    def trained(batch: Any) -> None:
        model = DCGAN((1, 28, 28), network="mnist", num_classes=3, generator_channels=2, discriminator_channels=2)
        fit(model, 1, torch.utils.data.DataLoader([batch], batch_size=None))

    images = torch.zeros(4, 1, 28, 28)
    with pytest.raises(
        ValueError, match=r"^a batch without labels for a model with classes; allowed: a label an image, 0 to 2$"
    ):
        trained(images)
    with pytest.raises(ValueError, match=r"^labels from -1 to 2; allowed: a label an image, 0 to 2$"):
        trained((images, torch.tensor([0, 1, 2, -1])))


def test_logits_leave_half_precision_at_the_door() -> None:
    seen: list[torch.dtype] = []
    model = seeded(penalty=0.0)
    model.discriminator.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    fit(model, 1, images_loader(40, 4), precision="bf16-mixed")
    assert set(seen) == {torch.bfloat16}
    assert {value.dtype for value in model.terms.values()} == {torch.float32}


def test_noise_before_the_first_turn_is_this_iterations() -> None:
    class Noisy(Toy):
        def prepare_batch(self, batch: Any) -> Any:
            named = super().prepare_batch(batch)
            self.added.append(self.noise((2,)))
            return named

    model = Noisy()
    model.added = []
    fit(model, 3, images_loader(40, 4), seed=5)
    fresh = Turn(seed=model.seed or 0, iteration=2, number=0)
    assert torch.equal(model.added[2], fresh.noise((2,), "normal", torch.Generator()))


def test_standing_statistics_see_every_class() -> None:
    model = DCGAN((1, 28, 28), 300, 3, "mnist", generator_channels=2, discriminator_channels=2)
    seen: set[int] = set()
    synthesize = model.synthesize
    model.synthesize = lambda net, z, y: (seen.update(y.tolist()), synthesize(net, z, y))[1]  # type: ignore[method-assign]
    model.generate(1, seed=0)
    assert len(seen) == 300


def test_trainers_that_never_log() -> None:
    for options in ({"log_every_n_steps": 0}, {"barebones": True, "logger": None, "enable_checkpointing": None}):
        assert fit(seeded(), 2, images_loader(40, 4), **options).global_step == 2


def test_networks_with_five_dimensional_weights_keep_channels_last() -> None:
    class Modulated(torch.nn.Conv2d):
        def __init__(self) -> None:
            super().__init__(2, 2, 3)
            self.extra = torch.nn.Parameter(torch.zeros(1, 2, 2, 3, 3))

    model = seeded()
    model.set_players(Modulated(), Modulated())
    assert model.generator.weight.is_contiguous(memory_format=torch.channels_last)


def test_convolutions_of_grey_images_are_channels_last_too() -> None:
    # One channel makes both formats look alike; a convolution then falls back to the slow one, and all after it.
    model = DCGAN((1, 16, 16), generator_channels=4, discriminator_channels=4, ema_decay=0.9)
    for network in (model.generator, model.generator_ema, model.discriminator):
        assert all(weight.stride(1) == 1 for weight in network.parameters() if weight.dim() == 4)
    assert model.discriminator.layers[0](torch.zeros(2, 1, 16, 16)).stride(1) == 1


def test_what_a_fit_refuses_at_its_start() -> None:
    class Scheduled(Toy):
        def configure_optimizers(self) -> Any:
            optimizers = super().configure_optimizers()
            return optimizers, [torch.optim.lr_scheduler.StepLR(optimizers[0], 1)]

    with pytest.raises(ValueError, match=r"^schedulers from configure_optimizers; allowed: lr_schedule, or"):
        fit(Scheduled(), 1, images_loader(40, 4))
    model = seeded()
    model.generator.layers.append(torch.nn.SyncBatchNorm(64))
    with pytest.raises(ValueError, match=r"^sync_batchnorm=True; allowed: False"):
        fit(model, 1, images_loader(40, 4))
    model.trainer = pl.Trainer(accelerator="cpu", devices=2, strategy="ddp_fork", logger=False)
    with pytest.raises(ValueError, match=r"^ddp started by fork; allowed: ddp, started as separate processes$"):
        model.setup("fit")
