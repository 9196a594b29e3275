"""The unpaired sets of CycleGAN by name, such as monet2photo: fetched once, from their own host or a mirror.

Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks" (arXiv:1703.10593). The
images come from ImageNet, Flickr and Wikiart: for research.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from datamodules._fetch import DownloadError, RemoteFile, UnavailableError, fetch
from datamodules._published import PublishedSet
from datamodules._unpacking import corrupt, from_hub
from datamodules.unpaired_folder import UnpairedFolder

__all__ = ["CycleGANSets"]

HOSTS = (
    "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/",
    "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/",
    "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/datasets/",
)
# Other addresses of the same file.
COPIES = {"horse2zebra": ("https://huggingface.co/datasets/kerls/cyclegan-horse2zebra/resolve/main/horse2zebra.zip",)}
HUB = "https://huggingface.co/"  # the same images in tables
# Size in bytes and SHA-256, as TensorFlow Datasets records them; of others, those of the first download are kept.
FACTS = {
    "apple2orange": (78_456_409, "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8"),
    "cezanne2photo": (279_885_071, "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff"),
    "facades": (35_135_868, "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0"),
    "horse2zebra": (116_867_962, "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1"),
    "iphone2dslr_flower": (339_964_458, "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113"),
    "maps": (1_476_754_427, "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e"),
    "monet2photo": (305_231_073, "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04"),
    "summer2winter_yosemite": (132_640_856, "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"),
    "ukiyoe2photo": (292_946_532, "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08"),
    "vangogh2photo": (306_590_349, "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff"),
}


class CycleGANSets(PublishedSet, UnpairedFolder):
    """A set of the collection; the rest is as in ``unpaired_folder``.

    Args:
        name: apple2orange, summer2winter_yosemite, horse2zebra, monet2photo, cezanne2photo, ukiyoe2photo, vangogh2photo, maps,
            cityscapes (not hosted: by hand), facades, iphone2dslr_flower or ae_photos (photographs to test with alone).
        root: folder with the sets' folders or .zip files, or a set's own folder; default ``cyclegan_sets`` below
            ``$LIGHTNING_GANS_DATA``, else below ``~/.cache/lightning-gans/data``.
        size: height and width in pixels, or "HxW".
        channels: of the images; "auto" = 3.
        resize: how images come to ``load_size``: crop, pad or stretch.
        load_size: height and width, in pixels or "HxW", of which a random crop is trained with; None: 286/256 of ``size``.
        skip_broken: leave out images that cannot be decoded, with one warning, instead of refusing them.
        cache_limit: bytes that the decoded images of a domain may take on the disk; default 20 GB or half of what is free.
        flip: mirror images left to right with probability 1/2, drawn anew in every epoch.
        batch_size: images of each domain per discriminator turn and process.
        num_workers: processes that gather batches; 0 is fastest with a cache.
        download: fetch the set where it is missing.
        seed: of the orders, the crops and the flips, in 0 .. 2**32 - 1.

    Raises:
        ValueError: an option outside what is allowed.
        OSError: a folder cannot be read, a domain has no images, or a broken one.
    """

    collection = "cyclegan_sets"
    names = (*sorted({*FACTS, "ae_photos", "cityscapes"}),)
    by_hand = MappingProxyType(
        {
            "cityscapes": "register at cityscapes-dataset.com and put trainA, trainB (testA, testB) into a folder cityscapes there"
        }
    )

    def __init__(
        self,
        *,
        name: str = "horse2zebra",
        root: str | Path | None = None,
        size: int | str = 256,
        channels: Literal["auto", 1, 3, 4] = "auto",
        resize: Literal["crop", "pad", "stretch"] = "crop",
        load_size: int | str | None = None,
        skip_broken: bool = False,
        cache_limit: int | None = None,
        flip: bool = True,
        batch_size: int = 1,
        num_workers: int = 0,
        download: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(
            root=self.choose(name, root),
            size=size,
            channels=channels,
            resize=resize,
            load_size=load_size,
            skip_broken=skip_broken,
            cache_limit=cache_limit,
            flip=flip,
            batch_size=batch_size,
            num_workers=num_workers,
            download=download,
            seed=seed,
        )

    def fetch(self) -> None:
        size, sha256 = FACTS.get(self.name, (None, None))
        file = f"{self.name}.zip"
        urls = (*(f"{host}{file}" for host in HOSTS), *COPIES.get(self.name, ()))
        try:
            archive = fetch(RemoteFile(file, urls, size, sha256), self._collection)
        except UnavailableError as error:
            try:
                from_hub(HUB, f"huggan/{self.name}", self.place)
            except DownloadError as other:
                raise DownloadError(f"{error}; nor from the mirror: {other}") from error
        else:
            if not zipfile.is_zipfile(archive):
                raise corrupt(archive, "it is no .zip")
