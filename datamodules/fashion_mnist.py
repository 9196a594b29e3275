"""Fashion-MNIST: 70,000 grey 28x28 pictures of clothes. Xiao, Rasul & Vollgraf 2017 (arXiv:1708.07747)."""

from __future__ import annotations

from datamodules._idx import IDXDataModule

__all__ = ["FashionMNIST"]


class FashionMNIST(IDXDataModule):
    """60,000 images to train on and 10,000 to test with, padded with black from 28 pixels on."""

    classes = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    torchvision_class = "FashionMNIST"
    folders = ("/usr/share/datasets/fashion-mnist",)
