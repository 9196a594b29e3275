"""Horses and zebras, CycleGAN's best known set: 1,067 and 1,334 photographs to train on, 120 and 140 to test with.

Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks" (arXiv:1703.10593); 117 MB.
The paper says 939 and 1,177. The photographs come from ImageNet: for research.
"""

from __future__ import annotations

from typing import Any

from datamodules.cyclegan_sets import CycleGANSets

__all__ = ["Horse2Zebra"]


class Horse2Zebra(CycleGANSets):
    """The set horse2zebra of ``cyclegan_sets``, with its options but the name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(name="horse2zebra", **options)
