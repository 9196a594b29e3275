"""Whether a CoGAN draws one thing in both domains: pixel agreement of its pairs, and accuracy on the domain without labels.

    python benchmarks/coupled.py runs/cogan-digit_domains/1/checkpoints/last.ckpt [more checkpoints]

Agreement a is the share of pixels where edge(G1(z)) (or the negative) and G2(z) agree, both cut at the mean pixel of real images
of domain b; s is the same with pictures of different z, most of whose background agrees as well. (a - s) / (1 - s) is 0 for
generators that ignore each other and 1 for perfect pairs. The real row does the same with held-out images and their translations:
the most that can be reached. A checkpoint trained with ``--data.labels true`` also tells the accuracy of its classifier on held-out
images of each domain; only domain a had labels.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import cast

import torch
from errors import one_line_errors
from torch import Tensor

from datamodules import DigitDomains
from lightning_gans import CoGAN, load
from lightning_gans.cli.data_source import checkpoint_data, open_data
from lightning_gans.cli.errors import UsageError
from lightning_gans.core.loading import read_checkpoint
from lightning_gans.metrics.agreement import PixelAgreement, edges, negatives, pixel_agreement

TRANSLATIONS = {"edge": edges, "negative": negatives}


def opened(path: Path) -> tuple[CoGAN, DigitDomains]:
    """A checkpoint's model, and the data that it was trained on.

    Raises:
        UsageError: not a CoGAN, or not trained on digits and their edges or negatives.
        ValueError, OSError: the checkpoint or the data cannot be read.
    """
    found = checkpoint_data(read_checkpoint(path), path)
    if found is None or found[0] != "digit_domains":
        trained = "does not say what it was trained on" if found is None else f"was trained on {found[0]}"
        raise UsageError(f"'{path}' {trained}; allowed: digit_domains")
    model = load(path)
    if not isinstance(model, CoGAN):
        raise UsageError(f"'{path}' holds model '{model.model_name}'; allowed: cogan")
    data = cast(DigitDomains, open_data(*found))
    if data.transform not in TRANSLATIONS:
        raise UsageError(f"'{path}' was trained with transform '{data.transform}'; allowed: {', '.join(TRANSLATIONS)}")
    return model, data


def row(name: str, found: PixelAgreement) -> str:
    """A line of the table."""
    share = (found.paired - found.shuffled) / (1.0 - found.shuffled)
    return f"| {name} | {found.paired:.3f} | {found.shuffled:.3f} | {share:.2f} |"


def real_pairs(data: DigitDomains) -> tuple[Tensor, Tensor]:
    """Held-out images and their translations."""
    batch = data.test_dataset.__getitems__(list(range(len(data.test_dataset))))
    return batch["a"], batch["b"]


def adaptation(path: Path, model: CoGAN, data: DigitDomains) -> str:
    """Accuracy on held-out images of both domains."""
    batch = data.test_dataset.__getitems__(list(range(len(data.test_dataset))))
    shares = [
        (model.classes_of(batch[domain], domain=domain).cpu() == batch["labels"]).double().mean().item()
        for domain in "ab"
    ]
    return f"{path}: accuracy on domain a (labelled) {shares[0]:.1%}, on domain b (no labels) {shares[1]:.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--n", type=int, default=2500, help="pairs to draw")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    adapted: list[str] = []
    with one_line_errors():
        found = [(path, *opened(path)) for path in options.checkpoints]
    print("| | a | s | (a - s) / (1 - s) |\n|---|---|---|---|")
    for path, model, data in found:
        translate = TRANSLATIONS[data.transform]
        train = data.train_dataset  # its items are all pairs: each of a beside the first of b, then beside the next
        real_b = train.__getitems__(list(range(0, len(train), train.count)))["b"]
        first, second = real_pairs(data)
        print(row(f"real, {data.transform}", pixel_agreement(first, second, real_b, translate)))
        pairs = model.generate_pairs(options.n, seed=options.seed)
        agreement = pixel_agreement(pairs[:, 0], pairs[:, 1], real_b, translate)
        print(row(f"{data.transform}, {model.iterations} iterations", agreement))
        if model.num_classes is not None:
            adapted.append(adaptation(path, model, data))
    for line in adapted:
        print(line)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
