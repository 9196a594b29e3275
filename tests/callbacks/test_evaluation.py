"""Scores while training: on time, without a trace in the run, the best checkpoint kept, and an end when nothing improves."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lightning_gans import CGAN, DCGAN
from lightning_gans.callbacks import Evaluate, RunCheckpoint, evaluation
from lightning_gans.metrics.images import GeneratedImages
from lightning_gans.metrics.scores import Score

Make, Run = Callable[..., DCGAN], Callable[..., pl.Trainer]
FEATURES = "tests.metrics.extractors:random_features"


def evaluate(**options: Any) -> Evaluate:
    return Evaluate(**{"every": 4, "n": 20, "features": FEATURES, **options})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said while training."""
    lines: list[str] = []
    monkeypatch.setattr(evaluation, "rank_zero_info", lines.append)
    return lines


@pytest.fixture
def falling(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], list[int]]:
    """Scores that are given instead of computed; returns the list of iterations they were asked for at."""

    def give(values: list[float]) -> list[int]:
        asked: list[int] = []

        def fake(generated: GeneratedImages, *_: Any, **__: Any) -> dict[str, Score]:
            asked.append(generated.module.iterations)
            return {"fid_random": Score(values[len(asked) - 1], None, "p")}

        monkeypatch.setattr(evaluation, "evaluate", fake)
        return asked

    return give


def test_scores_come_before_the_first_every_so_often_and_after_the_last_iteration(
    tiny: Make, run: Run, tmp_path: Path, told: list[str]
) -> None:
    callback = evaluate(metrics="fid,pr")
    trainer = run(tiny(ema_decay=0.9), callback, steps=10, logger=CSVLogger(tmp_path, name="", version=""))
    with open(tmp_path / "metrics.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["fid_random"]]
    assert [row["step"] for row in rows] == ["0", "3", "7", "9"]
    assert all(float(row["fid_random"]) > 0 and row["precision_random"] and row["recall_random"] for row in rows)
    assert trainer.callback_metrics["fid_random"] == pytest.approx(float(rows[-1]["fid_random"]))
    assert told[0].startswith("scores: features random ")
    assert "reference digits train (1400 images of 1x16x16); 20 generated at iteration 0 (EMA weights" in told[0]
    first = ", ".join(
        f"{name} {float(rows[0][name]):.4g}" for name in ("fid_random", "precision_random", "recall_random")
    )
    assert told[1] == f"iteration 0: {first}"
    assert [line.split(":")[0] for line in told[1:-1]] == [f"iteration {n}" for n in (0, 4, 8, 10)]
    assert re.fullmatch(r"scoring took \d+ s, \d+% of the run", told[-1])


def test_a_run_is_bit_identical_with_and_without_it(tiny: Make, run: Run, same: Callable[..., bool]) -> None:
    with_it, without = tiny(ema_decay=0.9), tiny(ema_decay=0.9)
    run(with_it, evaluate(metrics="fid,kid,prd", every=2), steps=7)
    state = torch.get_rng_state()
    run(without, steps=7)
    assert same(with_it.state_dict(), without.state_dict())
    assert torch.equal(state, torch.get_rng_state())


def test_the_best_checkpoint_is_kept(tiny: Make, run: Run, tmp_path: Path, falling: Callable[..., list[int]]) -> None:
    falling([9.0, 5.0, 4.0, 4.5, 4.0])
    callback = evaluate(every=2, folder=tmp_path / "kept")
    model = tiny()
    run(model, callback, RunCheckpoint(tmp_path / "kept"), steps=8)
    best = torch.load(tmp_path / "kept" / "best.ckpt", weights_only=True)
    assert best["adversarial"]["iterations"] == 4
    state = best["callbacks"]["Evaluate"]
    assert (state["best"], state["worse"], state["evaluated"]) == (4.0, 0, 4)
    assert callback.best == 4.0
    assert torch.load(tmp_path / "kept" / "last.ckpt", weights_only=True)["adversarial"]["iterations"] == 8


def test_higher_is_better_where_it_is(tiny: Make, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([1.0, 3.0, 2.0])
    monkeypatch.setattr(evaluation, "evaluate", lambda *_, **__: {"is_random": Score(next(values), None, "p")})
    callback = evaluate(every=1)
    run(tiny(), callback, steps=2)
    assert callback.best == 3.0


def test_patience_ends_the_run_in_mid_epoch_and_says_so(
    tiny: Make, run: Run, tmp_path: Path, told: list[str], falling: Callable[..., list[int]]
) -> None:
    asked = falling([9.0, 5.0, 6.0, 5.0, 1.0])
    model = tiny()
    run(model, evaluate(every=2, patience=2), RunCheckpoint(tmp_path), steps=100)
    assert (asked, model.iterations) == ([0, 2, 4, 6], 6)
    assert "fid_random has not improved in 2 evaluations: the run ends (evaluate.patience)" in told
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["adversarial"]["iterations"] == 6


def test_a_resumed_run_remembers_its_best(
    tiny: Make, run: Run, tmp_path: Path, falling: Callable[..., list[int]]
) -> None:
    falling([9.0, 2.0, 3.0])
    run(tiny(), evaluate(every=4), RunCheckpoint(tmp_path), steps=8)
    asked = falling([2.5, 2.6])
    callback = evaluate(every=4)
    run(tiny(), callback, RunCheckpoint(tmp_path), steps=16, ckpt_path=tmp_path / "last.ckpt")
    assert asked == [12, 16]
    assert (callback.best, callback.state_dict()["worse"]) == (2.0, 3)


def test_classes_come_as_often_as_in_the_data(
    run: Run, digits: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor | None] = []

    def keep(generated: GeneratedImages, *_: Any, **__: Any) -> dict[str, Score]:
        seen.append(generated.labels)
        return {"fid_random": Score(1.0, None, "p")}

    monkeypatch.setattr(evaluation, "evaluate", keep)
    options: dict[str, Any] = {"network": "dcgan", "generator_channels": 4, "discriminator_channels": 4}
    run(CGAN(image_shape=(1, 16, 16), num_classes=10, **options), evaluate(n=1400), steps=1)
    assert seen[0] is not None
    data = digits()
    data.setup()
    assert torch.equal(torch.bincount(seen[0]), torch.bincount(data.train_dataset.labels))


class Foreign(pl.LightningDataModule):
    """A user's own data module: tuples, shuffled by the global random state."""

    def train_dataloader(self) -> DataLoader[Any]:
        images = torch.randint(0, 256, (64, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
        return DataLoader(TensorDataset(images, torch.arange(64) % 10), batch_size=8, shuffle=True)


def test_foreign_data_is_gathered_from_the_batches_it_serves(tiny: Make, run: Run, told: list[str], same: Any) -> None:
    with_it, without = tiny(), tiny()
    run(with_it, evaluate(every=1), steps=4, data=Foreign())
    run(without, steps=4, data=Foreign())
    assert same(with_it.state_dict(), without.state_dict())
    assert "reference training batches (24 images of 1x16x16); 20 generated at iteration 3" in told[0]


def test_data_without_features_at_hand_is_not_scored(tiny: Make, run: Run, told: list[str]) -> None:
    run(tiny(), evaluate(features="auto"), steps=1, data=Foreign())
    assert told == [
        "not scored while training: no features for this data are at hand "
        "(lightning-gans evaluate trains them once; --evaluate.every 0 leaves this out)"
    ]


def test_nothing_is_done_where_nothing_is_asked(tiny: Make, run: Run, told: list[str]) -> None:
    run(tiny(), evaluate(every=0), steps=2)
    run(tiny(), evaluate(), steps=2, fast_dev_run=True)
    assert told == []


def test_a_disk_that_is_full_costs_the_best_checkpoint_and_not_the_run(
    tiny: Make, run: Run, tmp_path: Path, falling: Callable[..., list[int]]
) -> None:
    falling([2.0, 1.0])
    (tmp_path / "file").write_text("")
    model = tiny()
    with pytest.warns(UserWarning, match=r"^best\.ckpt is not written: cannot write .*best\.ckpt: "):
        run(model, evaluate(folder=tmp_path / "file"), RunCheckpoint(tmp_path / "other"), steps=2)
    assert model.iterations == 2


def test_options() -> None:
    for options, message in (
        ({"every": -1}, r"^evaluate: every -1; allowed: 0 or more$"),
        ({"n": 1}, r"^evaluate: n 1; allowed: 2 or more$"),
        ({"patience": 0}, r"^evaluate: patience 0; allowed: None, or 1 or more$"),
        ({"metrics": "fdi"}, r"^metric 'fdi'; allowed: fid, kid, is, pr, dc, prd, ifid, acc, by comma$"),
    ):
        with pytest.raises(ValueError, match=message):
            Evaluate(**options)


class Fails(Evaluate):
    def _score(self, module: Any, extractor: Any, reference: Any) -> dict[str, Score]:
        if module.iterations == 2:
            raise RuntimeError("the device's memory\nis full")
        return super()._score(module, extractor, reference)


def test_what_fails_in_mid_run_is_a_warning_and_at_the_start_an_error(tiny: Make, run: Run) -> None:
    model = tiny()
    callback = Fails(every=2, n=20, features=FEATURES)
    with pytest.warns(UserWarning, match=r"^not scored at iteration 2: the device's memory is full$"):
        run(model, callback, steps=4)
    assert model.iterations == 4
    assert callback.state_dict()["evaluated"] == 4
    with pytest.raises(ValueError, match=r"^acc: the generated images have no classes; allowed: "):
        run(tiny(), evaluate(metrics="acc"), steps=4)


def test_scores_of_another_kind_do_not_compare_with_the_best(
    tiny: Make, run: Run, tmp_path: Path, told: list[str]
) -> None:
    run(tiny(), evaluate(every=2), RunCheckpoint(tmp_path), steps=2)
    callback = evaluate(every=2, metrics="is")
    run(tiny(), callback, RunCheckpoint(tmp_path), steps=4, ckpt_path=tmp_path / "last.ckpt")
    assert "scores are made in another way than before: the best one is looked for anew" in told
    assert callback.best is not None
    assert 1.0 <= callback.best <= 10.0


def test_a_network_of_features_is_built_apart_from_the_training(tiny: Make, run: Run, same: Any) -> None:
    with_it, without = tiny(), tiny()
    run(with_it, evaluate(features="tests.metrics.extractors:unseeded_features"), steps=3)
    run(without, steps=3)
    assert same(with_it.state_dict(), without.state_dict())
