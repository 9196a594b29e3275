"""MNIST: 70,000 grey 28x28 pictures of handwritten digits. LeCun, Cortes & Burges 1998 (CC BY-SA 3.0)."""

from __future__ import annotations

from datamodules._idx import IDXDataModule

__all__ = ["MNIST"]


class MNIST(IDXDataModule):
    """60,000 images to train on and 10,000 to test with, padded with black from 28 pixels on."""

    classes = tuple("0123456789")
    torchvision_class = "MNIST"
