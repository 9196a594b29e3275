"""Landmark GANs as LightningModules: ``from lightning_gans import DCGAN``.

Importing this package imports nothing else: torch and a model's file are imported when a name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning_gans.registry import find_class, list_models

if TYPE_CHECKING:
    from lightning_gans.core.loading import load as load
    from lightning_gans.models.animegan import AnimeGAN as AnimeGAN
    from lightning_gans.models.began import BEGAN as BEGAN
    from lightning_gans.models.biggan import BigGAN as BigGAN
    from lightning_gans.models.biggan_deep import BigGANDeep as BigGANDeep
    from lightning_gans.models.cgan import CGAN as CGAN
    from lightning_gans.models.cogan import CoGAN as CoGAN
    from lightning_gans.models.created_equal import CreatedEqual as CreatedEqual
    from lightning_gans.models.cyclegan import CycleGAN as CycleGAN
    from lightning_gans.models.dcgan import DCGAN as DCGAN
    from lightning_gans.models.dragan import DRAGAN as DRAGAN
    from lightning_gans.models.egan import EGAN as EGAN
    from lightning_gans.models.gan import GAN as GAN
    from lightning_gans.models.lsgan import LSGAN as LSGAN
    from lightning_gans.models.pix2pix import Pix2Pix as Pix2Pix
    from lightning_gans.models.rgan import RGAN as RGAN
    from lightning_gans.models.sagan import SAGAN as SAGAN
    from lightning_gans.models.sgan import SGAN as SGAN
    from lightning_gans.models.sngan import SNGAN as SNGAN
    from lightning_gans.models.wgan import WGAN as WGAN
    from lightning_gans.models.wgan_gp import WGANGP as WGANGP

__version__ = "0.1.0"
__all__ = ["list_models", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from lightning_gans.core.loading import load

        return load
    found = find_class(name) if name[:1].isupper() else None
    if found is None:
        raise AttributeError(f"module 'lightning_gans' has no attribute '{name}'")
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
