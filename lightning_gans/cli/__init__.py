"""The command line: ``lightning-gans COMMAND ...``, and ``python train.py ...`` for ``lightning-gans train ...``.

Nothing here imports torch: a command's file is imported when the command is called, so that help, lists and wrong names
answer at once. Results go to stdout, everything else to stderr; exit codes are 0, 2 (wrong usage) and 1 (all else).
"""

from __future__ import annotations

import importlib
import keyword
import sys
from collections.abc import Callable, Sequence

from lightning_gans.cli.errors import UsageError, did_you_mean, exit_code, one_line, say

__all__ = ["COMMANDS", "main"]

# command -> (the module that has a function of its name, with _ behind a word of Python; what it does)
COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("lightning_gans.cli.train", "train a model: lightning-gans train --model dcgan"),
    "generate": ("lightning_gans.cli.sampling", "draw images from a checkpoint: lightning-gans generate CKPT --out X"),
    "interpolate": ("lightning_gans.cli.sampling", "walk between latents: lightning-gans interpolate CKPT --out X"),
    "translate": (
        "lightning_gans.cli.translating",
        "pictures to pictures: lightning-gans translate CKPT --input X --direction AtoB --out DIR",
    ),
    "evaluate": (
        "lightning_gans.cli.evaluating",
        "score samples or folders: lightning-gans evaluate CKPT --metrics fid,pr",
    ),
    "probe": (
        "lightning_gans.cli.probing",
        "how well the discriminator's features tell classes: lightning-gans probe CKPT",
    ),
    "import": (
        "lightning_gans.cli.importing",
        "weights of other projects: lightning-gans import FILE --model M --out CKPT",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: what follows the program's name; None for ``sys.argv[1:]``.

    Returns:
        The exit code: 0, 2 for wrong usage, 1 for any other error.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        return _dispatch([argument for argument in arguments if argument != "--debug"])
    except SystemExit as stop:  # argparse after --help; Lightning after Ctrl-C, and its exception for SIGTERM
        if type(stop) is not SystemExit:
            say(f"error: {one_line(stop)}")
            return 1
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BrokenPipeError:  # the reader of our stdout has gone (``| head``)
        sys.stderr.close()
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            raise
        say("interrupted" if isinstance(error, KeyboardInterrupt) else f"error: {one_line(error)}")
        return exit_code(error)


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        sys.stdout.write(_help())
        return 0
    if name == "--version":
        from lightning_gans import __version__

        sys.stdout.write(f"lightning-gans {__version__}\n")
        return 0
    if name == "--list":
        name, arguments = "train", ["train", *arguments]
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        raise UsageError(f"unknown {kind} '{name}'.{did_you_mean(name, COMMANDS)} Choose from: {', '.join(COMMANDS)}")
    command: Callable[[list[str]], int] = getattr(
        importlib.import_module(COMMANDS[name][0]), f"{name}_" if keyword.iskeyword(name) else name
    )
    return command(arguments[1:])


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: lightning-gans COMMAND [options]",
            "",
            *lines,
            "",
            "lightning-gans COMMAND --help   options of a command",
            "lightning-gans --list           models and data sets",
            "lightning-gans --version        the version",
            "--debug with any command        show the traceback of an error",
            "",
        ]
    )
