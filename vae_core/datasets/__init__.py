"""Datasets: frozen values that load as uint8 images, split once and for all into training and test images.

To add one: a class in a module here, its name in the union at the foot of this file.
"""

from typing import Annotated

from pydantic import Field

from vae_core.datasets.digits import Digits as Digits
from vae_core.datasets.linear_gaussian import LinearGaussian as LinearGaussian
from vae_core.datasets.mnist import FashionMnist as FashionMnist
from vae_core.datasets.mnist import IdxSource as IdxSource
from vae_core.datasets.mnist import Mnist as Mnist
from vae_core.datasets.shapes import Shapes as Shapes
from vae_core.datasets.source import Source as Source
from vae_core.datasets.source import cache_dir as cache_dir

Dataset = Annotated[
    Digits | Mnist | FashionMnist | Shapes | LinearGaussian,
    Field(discriminator="kind"),
]
