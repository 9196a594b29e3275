"""Blocks that know nothing of GANs."""
