"""Accumulated chunks of a turn: what they add up to, share and join."""

from typing import Any

import torch
from torch import Tensor

from datamodules import Digits
from lightning_gans import DCGAN
from tests.core.toys import Toy, images_loader, seeded, weights
from tests.training import fit


def test_two_accumulated_halves_equal_the_whole_with_a_gradient_penalty() -> None:
    whole, halves = seeded(penalty=10.0, share_fakes=False), seeded(penalty=10.0, accumulate=2)
    fit(whole, 5, images_loader(40, 8))
    fit(halves, 5, images_loader(40, 8))
    torch.testing.assert_close(weights(halves), weights(whole), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(halves.terms["discriminator/penalty"], whole.terms["discriminator/penalty"])
    assert [len(images) for images in halves.seen] == [4] * 10
    torch.testing.assert_close(torch.cat(halves.drawn[:2]), whole.drawn[0])


def test_twice_the_fakes_accumulate_alike_with_their_labels() -> None:
    class Conditional(DCGAN):
        generator_batch_factor = 2

        def _draw_fakes(self, batch: Any) -> Any:
            fakes = super()._draw_fakes(batch)
            if self._moving == "generator":
                self.pairs += [
                    (label.item(), tuple(row.tolist())) for label, row in zip(fakes.labels, fakes.latents, strict=True)
                ]
            return fakes

    found = []
    for accumulate in (1, 2):
        torch.manual_seed(0)
        model = Conditional(
            (1, 28, 28), 10, 3, "mnist", generator_channels=2, discriminator_channels=2, accumulate=accumulate
        )
        model.pairs = []
        fit(model, 1, Digits(size=28, batch_size=8))
        found.append(model.pairs)
    assert found[0] == found[1]
    assert len(found[0]) == 16


def test_what_is_recorded_after_a_turn_has_no_chunks_to_join() -> None:
    class Records(Toy):
        def generator_turn(self, batch: dict[str, Tensor]) -> None:
            super().generator_turn(batch)
            self.record("discriminator/k", torch.ones(()))
            self.record("quality", torch.zeros(2))

    model = Records(accumulate=2)
    fit(model, 2, images_loader(40, 4))
    assert model.records["discriminator/k"].tolist() == [1.0]
    assert model.records["generator/quality"].tolist() == [0.0, 0.0]


def test_chunks_share_what_was_found_out_about_the_whole_turn() -> None:
    asked: list[int] = []
    told: list[int] = []

    def count(batch: dict[str, Tensor]) -> Tensor:
        asked.append(len(batch["images"]))
        return torch.tensor(len(batch["images"]))

    class Asks(Toy):
        def discriminator_loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
            told.append(int(self.of_turn("count", count, batch)))
            return super().discriminator_loss(batch)

    model = Asks(accumulate=2, d_steps=2)
    fit(model, 1, images_loader(40, 16))
    assert asked == [8, 8]  # once for each of two turns
    assert told == [8] * 4
    assert int(model.of_turn("count", count, {"images": torch.zeros(3, 1, 8, 8)})) == 3  # no turn, no memory
