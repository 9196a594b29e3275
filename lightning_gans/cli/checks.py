"""Checks of devices, precision and checkpoints, made before a run writes anything."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import LightningModule
from pytorch_lightning.accelerators import AcceleratorRegistry

from lightning_gans.cli.errors import UsageError, did_you_mean
from lightning_gans.cli.options import PRECISIONS
from lightning_gans.core.loading import Started, read_checkpoint

__all__ = ["check_device", "check_precision", "describe_start", "read_resumed"]

SHOWN = 6  # skipped tensors that are named
ALIASES = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed", "None": "32-true"}


def check_device(accelerator: Any) -> None:
    """Raises UsageError if this machine has no such accelerator."""
    if not isinstance(accelerator, str) or accelerator == "auto":
        return
    known, here = sorted(AcceleratorRegistry), _available()
    if accelerator == "gpu" and {"cuda", "mps"} & set(here):
        return
    if accelerator not in here:
        hint = "" if accelerator in (*known, "gpu") else did_you_mean(accelerator, [*known, "gpu"])
        allowed = ", ".join(["auto", *here])
        raise UsageError(f"--trainer.accelerator {accelerator}: no such device here.{hint} Allowed: {allowed}")


def check_precision(precision: Any, accelerator: Any) -> None:
    """Raises UsageError for a precision that adversarial training cannot use, on any device or on this one."""
    name = ALIASES.get(str(precision), str(precision))
    if name not in PRECISIONS:
        raise UsageError(f"--trainer.precision {precision}: allowed: {', '.join(PRECISIONS)}")
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and _available() == ["cpu"])
    if name == "16-mixed" and on_cpu:
        raise UsageError("--trainer.precision 16-mixed: needs a GPU; on a CPU: bf16-mixed")


def _available() -> list[str]:
    """Names of the accelerators that this machine has; classes only, because making one may need its package."""
    return [name for name, entry in sorted(AcceleratorRegistry.items()) if entry["accelerator"].is_available()]


def read_resumed(path: str, module: LightningModule) -> int:
    """Check that a checkpoint can be continued by this module; returns the iteration it was written at.

    Raises:
        FileNotFoundError, ValueError: no such file, no checkpoint of ours, weights alone, another model's, or of other options.
    """
    checkpoint = read_checkpoint(path)
    held = checkpoint["hyper_parameters"].get("model_name")
    name = module.hparams.get("model_name")
    if held != name:
        raise ValueError(f"checkpoint '{path}' holds model '{held}', not '{name}'")
    if "optimizer_states" not in checkpoint:
        raise ValueError(f"checkpoint '{path}' holds weights and no run to go on with; allowed: --init_from {path}")
    theirs, ours = checkpoint["state_dict"], module.state_dict()
    for key in [*theirs, *ours]:
        there, here = _shape(theirs.get(key)), _shape(ours.get(key))
        if there != here:
            reason = f"{key} is {there} there and {here} here{_differences(checkpoint, module)}"
            raise ValueError(f"checkpoint '{path}' does not fit: {reason}")
    return int(checkpoint["global_step"])


def describe_start(path: str, started: Started) -> str:
    """One line on what a run that starts from a checkpoint took over."""
    line = f"started from '{path}': {started.loaded} tensors loaded"
    if started.skipped:
        shown = ", ".join(started.skipped[:SHOWN])
        more = f" and {len(started.skipped) - SHOWN} more" if len(started.skipped) > SHOWN else ""
        line += f"; {len(started.skipped)} skipped: {shown}{more}"
    return line + (f"; {started.unused} of the checkpoint not used" if started.unused else "")


def _shape(tensor: Any) -> str:
    return "missing" if tensor is None else str(tuple(getattr(tensor, "shape", ())))


def _differences(checkpoint: dict[str, Any], module: LightningModule) -> str:
    """Options that differ, which is why shapes do."""
    theirs, ours = checkpoint["hyper_parameters"], module.hparams
    differing = [key for key in theirs if key in ours and theirs[key] != ours[key]]
    return "".join(f"; {key}: {theirs[key]} there, {ours[key]} here" for key in differing)
