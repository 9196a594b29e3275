"""``lightning-gans train``: lists, help and names without torch; the run itself is in ``fit.py``."""

from __future__ import annotations

import sys

from lightning_gans.cli.imports import quick_imports
from lightning_gans.cli.names import listing
from lightning_gans.cli.request import read_request

__all__ = ["train"]

HELP = """usage: lightning-gans train --model M [--data D] [options]

  --model M                 what to train; --list shows all
  --data D                  a data set's name, or a folder of images; default: the recipe's
  --config F                a YAML file of options; a run's config.yaml alone repeats the run
  --ckpt_path F|last        continue from a checkpoint; last: the newest run of this model and data, in its own folder
  --init_from F             start a new run from a checkpoint's weights, where they fit (other classes, other size)
  --logger L                csv,tensorboard,wandb (any of them, by comma) or none
  --wandb.KEY V             an option of W&B: project, id, name, resume, log_model, ...
  --model.KEY V             an option of the model, --data.KEY of the data, --trainer.KEY of Lightning's Trainer
  --print_config            show the whole configuration and stop
  --list                    models and data sets
  --debug                   show the traceback of an error

lightning-gans train --model M --help   every option of model M, its data and the Trainer
"""


def train(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    if "--list" in arguments:
        sys.stdout.write(listing())
        return 0
    helps = bool({"-h", "--help"} & set(arguments))
    named = any(argument.partition("=")[0] in ("--model", "--config", "-c") for argument in arguments)
    if not named and helps:
        sys.stdout.write(HELP)
        return 0
    request = read_request(arguments)
    ends_after_help = helps and sys.argv[-len(arguments) :] == arguments  # called from Python, a process goes on
    with quick_imports(for_help=ends_after_help):
        from lightning_gans.cli.fit import fit  # torch and Lightning come with it

    return fit(request)
