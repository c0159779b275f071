"""The public files of MNIST and Fashion-MNIST, and how each is recognised."""

from __future__ import annotations

from typing import NamedTuple


class File(NamedTuple):
    """One of the four files: its sizes, its length and SHA-256 as downloaded, its SHA-256 unzipped where known."""

    name: str
    sizes: tuple[int, ...]
    length: int
    zipped: str
    content: str = ""


class Remote(NamedTuple):
    """Where the four files are fetched from: training images and labels, then test images and labels."""

    url: str
    files: tuple[File, File, File, File]


# Both kinds of checksum: a download is checked as it comes; files of one's own may have been compressed anew.
REMOTES: dict[str, Remote] = {
    "mnist": Remote(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        (
            File(
                "train-images-idx3-ubyte",
                (60000, 28, 28),
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            File(
                "train-labels-idx1-ubyte",
                (60000,),
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            File(
                "t10k-images-idx3-ubyte",
                (10000, 28, 28),
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            File(
                "t10k-labels-idx1-ubyte",
                (10000,),
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
    ),
    "fashion-mnist": Remote(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            File(
                "train-images-idx3-ubyte",
                (60000, 28, 28),
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            File(
                "train-labels-idx1-ubyte",
                (60000,),
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            File(
                "t10k-images-idx3-ubyte",
                (10000, 28, 28),
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            File(
                "t10k-labels-idx1-ubyte",
                (10000,),
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
    ),
}
