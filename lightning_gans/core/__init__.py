"""The engine: turns of two players, noise, averages, resume. Models know it; it knows no model."""
