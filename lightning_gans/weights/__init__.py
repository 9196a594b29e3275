"""Weights that other projects trained, in their layouts: pure functions of state dicts."""
