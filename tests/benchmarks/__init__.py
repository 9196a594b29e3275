"""Tests of the benchmarks: what can break without anyone running them for hours."""
