"""Feature extractors: frozen networks from uint8 images to the vectors that metrics compare."""

from lightning_gans.metrics.features.base import Extracted, FeatureExtractor, features_cache, fingerprint
from lightning_gans.metrics.features.domain import DomainFeatures, find_domain, train_domain
from lightning_gans.metrics.features.files import domain_path, hash_images, shipped_domains
from lightning_gans.metrics.features.inception import InceptionFeatures, inception_weights_present
from lightning_gans.metrics.features.module import ModuleFeatures

__all__ = [
    "DomainFeatures",
    "Extracted",
    "FeatureExtractor",
    "InceptionFeatures",
    "ModuleFeatures",
    "domain_path",
    "features_cache",
    "find_domain",
    "fingerprint",
    "hash_images",
    "inception_weights_present",
    "shipped_domains",
    "train_domain",
]
