from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans import DCGAN
from lightning_gans.callbacks import RunCheckpoint, Watchdog
from lightning_gans.callbacks.watchdog import mean_distance
from lightning_gans.core.finite import Diverged

Make, Run = Callable[..., DCGAN], Callable[..., pl.Trainer]
NAN = float("nan")


class Plant(pl.Callback):
    """Does something to the module once an iteration is over, before the watchdog looks."""

    def __init__(self, plant: Callable[[Any], None], at: int = 0) -> None:
        self.plant, self.at = plant, at

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if pl_module.iterations >= self.at:
            self.plant(pl_module)


def logits(real: float, fake: float) -> Plant:
    def plant(module: Any) -> None:
        for kind, value in (("real", real), ("fake", fake)):
            module.records[f"discriminator/{kind}_logits"] = torch.full((64,), value)

    return Plant(plant)


def heard(fit: Callable[[], Any]) -> list[str]:
    """The watchdog's warnings in a run."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    return [str(w.message) for w in caught if "; try " in str(w.message)]


def poison(name: str) -> Callable[[Any], None]:
    def plant(module: Any) -> None:
        module.get_parameter(name).data[-1] = NAN

    return plant


def test_a_bad_weight_stops_the_run_and_the_file_stays(tiny: Make, run: Run, tmp_path: Path) -> None:
    name = [name for name, _ in tiny().named_parameters()][-1]
    with pytest.raises(
        Diverged, match=rf"^diverged: not finite at iteration 6: {name}; the last good checkpoint is kept"
    ):
        run(tiny(), Plant(poison(name), at=6), Watchdog(every=3), RunCheckpoint(tmp_path, every=4), steps=20)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["adversarial"]["iterations"] == 4


def test_a_bad_loss_stops_the_run(tiny: Make, run: Run) -> None:
    plant = Plant(lambda module: module.terms.update({"generator/adversarial": torch.tensor(NAN)}), at=2)
    with pytest.raises(Diverged, match=r"^diverged: not finite at iteration 2: generator/adversarial; "):
        run(tiny(), plant, Watchdog(every=1), steps=20)


def test_a_healthy_run_hears_nothing(tiny: Make, run: Run) -> None:
    assert heard(lambda: run(tiny(), Watchdog(every=1), steps=16)) == []


def test_samples_all_alike(tiny: Make, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    alike = 0.01 * torch.randn(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))

    def generate(self: DCGAN, n: int, **_: Any) -> Tensor:
        asked.append(self.iterations)
        return alike[:n]

    monkeypatch.setattr(DCGAN, "generate", generate)
    messages = heard(lambda: run(tiny(), Watchdog(every=2), steps=50))
    assert asked == [10, 20, 30, 40, 50]  # every fifth check
    reals, distance = mean_distance(_first_reals()), mean_distance(alike)
    assert messages == [
        "the samples are nearly all alike (iteration 30): their mean distance is "
        f"{distance:.3g}, the data's {reals:.3g}; try another --seed_everything, a lower --model.lr or a larger "
        "--data.batch_size"
    ]


def _first_reals() -> Tensor:
    from datamodules import Digits

    data = Digits(size=16)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))["images"]
    return batch / 127.5 - 1


def test_three_in_a_row_are_needed(tiny: Make, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def generate(self: DCGAN, n: int, **_: Any) -> Tensor:
        varied = self.iterations % 15 == 0  # each third look
        return torch.rand(n, 1, 16, 16) * 2 - 1 if varied else torch.zeros(n, 1, 16, 16)

    monkeypatch.setattr(DCGAN, "generate", generate)
    assert heard(lambda: run(tiny(), Watchdog(every=1), steps=45)) == []


def test_a_critic_that_always_wins(tiny: Make, run: Run) -> None:
    assert heard(lambda: run(tiny(), logits(5.0, -5.0), Watchdog(every=2), steps=12)) == [
        "the discriminator is right in 100.0% of cases (iteration 6): the generator may learn nothing more; try a lower "
        "--model.discriminator_lr or fewer --model.d_steps"
    ]


@pytest.mark.parametrize(("real", "fake"), [(5.0, 5.0), (-5.0, -5.0), (-5.0, 5.0)])
def test_a_critic_that_errs_on_either_side(tiny: Make, run: Run, real: float, fake: float) -> None:
    assert heard(lambda: run(tiny(), logits(real, fake), Watchdog(every=1), steps=6)) == []


def test_the_threshold_is_the_models(tiny: Make, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DCGAN, "decision_threshold", 10.0)
    assert heard(lambda: run(tiny(), logits(5.0, -5.0), Watchdog(every=1), steps=6)) == []
    monkeypatch.setattr(DCGAN, "decision_threshold", 4.0)
    assert len(heard(lambda: run(tiny(), logits(5.0, 3.0), Watchdog(every=1), steps=6))) == 1
    monkeypatch.setattr(DCGAN, "decision_threshold", None)
    assert heard(lambda: run(tiny(), logits(5.0, -5.0), Watchdog(every=1), steps=6)) == []


def test_training_is_the_same_with_and_without(tiny: Make, run: Run, same: Callable[..., bool]) -> None:
    watched, plain = tiny(), tiny()
    run(watched, Watchdog(every=1), steps=6)
    run(plain, steps=6)
    assert same(watched.state_dict(), plain.state_dict())


def test_mean_distance_does_not_grow_with_size() -> None:
    small = torch.tensor([0.0, 1.0, 1.0]).reshape(3, 1, 1, 1)
    assert mean_distance(small) == pytest.approx(2 / 3)
    assert mean_distance(small.expand(3, 3, 8, 8)) == pytest.approx(2 / 3)


def test_bad_options() -> None:
    with pytest.raises(ValueError, match=r"^every 0; allowed: at least 1$"):
        Watchdog(every=0)
