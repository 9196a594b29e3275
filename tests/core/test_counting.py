"""One training_step = one iteration, whatever the number of updates; guards the private attributes the engine touches."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from lightning_gans.batch import Batch
from tests.core.toys import Toy, images_loader
from tests.training import fit, trainer


class ManyUpdates(Toy):
    """`repeats` updates of each player an iteration, as lazy regularisation or a population makes them."""

    repeats = (1, 1)

    def discriminator_turn(self, batch: Batch) -> None:
        for _ in range(self.repeats[0]):
            super().discriminator_turn(batch)

    def generator_turn(self, batch: Batch) -> None:
        for _ in range(self.repeats[1]):
            super().generator_turn(batch)


@pytest.mark.parametrize("repeats", [(1, 1), (2, 1), (4, 1), (1, 2), (1, 4), (4, 4)])
def test_iterations_checkpoints_and_log_axis(repeats: tuple[int, int], tmp_path: Any) -> None:
    model = ManyUpdates()
    model.repeats = repeats
    checkpoints = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=5, save_top_k=-1)
    logger = CSVLogger(tmp_path, name="", version="")
    runner = fit(
        model,
        23,
        images_loader(40, 4),
        callbacks=[checkpoints],
        logger=logger,
        enable_checkpointing=True,
        log_every_n_steps=4,
    )
    assert (runner.global_step, model.iterations) == (23, 23)
    assert sorted(int(path.stem.split("=")[1]) for path in tmp_path.glob("*.ckpt")) == [5, 10, 15, 20]
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    step = rows[0].split(",").index("step")
    assert [int(row.split(",")[step]) for row in rows[1:]] == [3, 7, 11, 15, 19]


@pytest.mark.parametrize("d_steps", [1, 2, 5])
def test_d_steps_cut_the_batch_and_count_once(d_steps: int) -> None:
    model = Toy(d_steps=d_steps)
    runner = fit(model, 7, images_loader(40, 10))
    assert (runner.global_step, model.iterations, model.images_seen) == (7, 7, 70)
    assert len(model.seen) == 7 * d_steps
    assert {len(images) for images in model.seen} == {10 // d_steps}
    assert model.parts == d_steps


def test_a_shorter_last_batch_is_skipped_once_warned_and_not_counted(tmp_path: Any) -> None:
    model = Toy()
    logger = CSVLogger(tmp_path, name="", version="")
    with pytest.warns(
        UserWarning, match=r"^a batch of 2 images is skipped: the one before had 4 \(drop_last=True avoids it\)$"
    ) as seen:
        runner = fit(model, 20, images_loader(22, 4), logger=logger, log_every_n_steps=1)
    assert len([w for w in seen if "is skipped" in str(w.message)]) == 1
    assert (runner.global_step, model.iterations) == (20, 20)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    step = rows[0].split(",").index("step")
    assert [int(row.split(",")[step]) for row in rows[1:]] == list(range(20))


def test_a_first_batch_that_does_not_divide_names_sizes_that_work() -> None:
    message = r"^a batch of 10 images does not divide into d_steps=3 x accumulate=2; allowed: multiples of 6, such as 6 or 12$"
    with pytest.raises(ValueError, match=message):
        fit(Toy(d_steps=3, accumulate=2), 1, images_loader(40, 10))


def test_warm_up_turns_walk_the_parts_again_with_fresh_noise() -> None:
    class WarmUp(Toy):
        def discriminator_turns(self) -> int:
            return 5

    model = WarmUp(d_steps=2)
    fit(model, 1, images_loader(40, 4))
    assert len(model.seen) == 5
    assert model.seen[0].equal(model.seen[2])
    assert model.seen[0].equal(model.seen[4])
    assert not model.seen[0].equal(model.seen[1])
    draws = [tuple(latents.flatten().tolist()) for latents in model.drawn]
    assert len(set(draws)) == 5


def test_lightnings_own_counting_is_back_for_other_modules() -> None:
    """What the engine silences is the counters of its own training_step."""

    class Plain(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.layer_ = torch.nn.Linear(1, 1)

        def configure_optimizers(self) -> Any:
            return [torch.optim.SGD(self.parameters(), lr=0.1), torch.optim.SGD(self.parameters(), lr=0.1)]

        def training_step(self, batch: Any, batch_idx: int) -> None:
            for optimizer in self.optimizers():
                optimizer.step()

    fit(Toy(), 3, images_loader(40, 4))
    runner = trainer(6)
    runner.fit(Plain(), images_loader(40, 4))
    assert runner.global_step == 6
    assert runner.fit_loop.epoch_loop.batch_progress.total.completed == 3
