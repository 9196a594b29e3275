"""What Lightning says that is of no use to the person who trains a GAN, silenced; warnings as one line each."""

from __future__ import annotations

import logging
import warnings

__all__ = ["quiet"]

WARNINGS = (
    "no pre-optimization state was saved",  # manual optimisation, at every checkpoint
    "does not have many workers",  # sets in memory are fastest without
    "in eval mode",  # the average generator is meant to be
    "smaller than the logging interval",  # the interval counts through epochs
    "AMP with fp16 is not supported on CPU",  # refused with a suggestion
    "your dataloader is not resumable",  # ours is; the engine warns of one that is not
    "LeafSpec",  # torch's deprecations inside Lightning
)
MESSAGES = (
    "Tip: For seamless",
    "GPU available",
    "TPU available",
    "HPU available",
    "Seed set to",
    "Trainer already configured",
    "`Trainer.fit` stopped",
)


def quiet() -> None:
    """Filter warnings and log records for the rest of this process."""
    for text in WARNINGS:
        warnings.filterwarnings("ignore", message=f"(?s).*{text}")
    warnings.formatwarning = _one_line
    for name in ("pytorch_lightning", "lightning_fabric"):
        logger = logging.getLogger(name)
        for handler in logger.handlers:  # of the package; its modules' loggers hand up to it
            handler.addFilter(_useful)


def _useful(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(text in message for text in MESSAGES)


def _one_line(message: Warning | str, *_: object, **__: object) -> str:
    return f"warning: {' '.join(str(message).split())}\n"
