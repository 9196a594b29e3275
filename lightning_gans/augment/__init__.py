"""Augmentation of what the critic sees, real and generated alike."""

from lightning_gans.augment.diffaugment import OPERATIONS, diff_augment, parse_augment

__all__ = ["OPERATIONS", "diff_augment", "parse_augment"]
