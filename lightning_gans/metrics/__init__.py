"""How good a generator is: feature extractors apart from metrics, metrics as functions of tensors."""

__all__: list[str] = []
