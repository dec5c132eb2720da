"""A folder of PNG and JPEG images, read batch by batch so that it may be larger than memory.

Every image is cropped to a square about its centre and then resized, as the
paper does with CelebA: crop 148, resize to 64. Pillow decodes and resizes.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minirmae.arrays import Array
from minirmae.data.dataset import DataError, checked_indices
from minirmae.data.splits import EVALUATION_FRACTION, split_indices
from minirmae.validation import require_choice, require_positive_int

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg")

HEADERS_CHECKED = 10_000
"""Opening a folder reads the headers of at most this many images; `broken_images` decodes them all."""


class ImageFolder:
    """The PNG and JPEG images below a folder, in the order of their paths.

    Files and folders whose name starts with a dot are passed over, symbolic
    links to folders are not followed. `crop` is the side in pixels of the
    square cut from the centre; a smaller image, or any image if `crop` is None,
    is cut to its largest square. The square is resized to `size`. `channels` is
    3 for colour or 1 for grey. Transparency is dropped, EXIF rotation applied.
    The choice of evaluation images is that of `split_indices`.

    Raises NotADirectoryError or FileNotFoundError if `path` is no folder,
    `DataError` if it holds no images or a broken one, ImportError without Pillow.
    """

    labels: None = None
    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        size: int = 64,
        crop: int | None = 148,
        channels: int = 3,
        split: str = "train",
        evaluation_fraction: float = EVALUATION_FRACTION,
    ) -> None:
        require_positive_int("ImageFolder", size=size, **({} if crop is None else {"crop": crop}))
        require_choice("ImageFolder", "channels", channels, (1, 3))
        _pillow()
        listed = sorted(images_below(path))
        if not listed:
            raise DataError(f"{path}: no images; expected files ending in {', '.join(SUFFIXES)} in it or below")
        self.paths = [listed[i] for i in split_indices(str(path), len(listed), split, evaluation_fraction)]
        self.name = f"{Path(path).resolve().name}/{split}"
        self.shape = (size, size, channels)
        self.crop = crop
        for image_path in self.paths[:HEADERS_CHECKED]:
            with _opened(image_path):
                pass

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, indices: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
        """Read the images at `indices` (n integers) as a new array (n, size, size, channels) of `dtype` in [0, 1].

        Raises `DataError` naming the first file that cannot be decoded.
        """
        chosen = checked_indices(self.name, indices, len(self))
        levels = np.empty((len(chosen), *self.shape), dtype=np.uint8)
        for row, index in enumerate(chosen):
            levels[row] = read_image(self.paths[index], self.shape[0], self.crop, self.shape[2])
        return np.divide(levels, 255, dtype=dtype)


def read_image(path: Path, size: int, crop: int | None, channels: int) -> Array:
    """Decode, crop and resize one image to uint8 (size, size, channels); `DataError` if it is broken."""
    pillow = _pillow()
    with _opened(path) as image:
        # Phones store a photograph as the sensor saw it and note the rotation beside it.
        pillow.ImageOps.exif_transpose(image, in_place=True)
        side = min(image.width, image.height, crop or image.width)
        left, top = round((image.width - side) / 2), round((image.height - side) / 2)
        square = image.crop((left, top, left + side, top + side))
        square.info.pop("transparency", None)
        colours = square.convert("RGB" if channels == 3 else "L")
        resized = colours.resize((size, size), pillow.Image.Resampling.BILINEAR)
        return np.asarray(resized).reshape(size, size, channels)


def broken_images(path: str | os.PathLike[str]) -> Iterator[str]:
    """Decode every image below the folder `path`; yield one line for each that is broken."""
    for image_path in sorted(images_below(path)):
        try:
            read_image(image_path, size=1, crop=None, channels=3)
        except DataError as error:
            yield str(error)


def images_below(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the image files below the folder `path`, in no particular order.

    Raises FileNotFoundError or NotADirectoryError if `path` is no folder.
    """

    def fail(error: OSError) -> None:
        raise error

    for folder, subfolders, files in os.walk(path, onerror=fail):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(folder, name)


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """Open an image file; whatever Pillow raises about its content becomes a `DataError` that names it."""
    pillow = _pillow()
    advice = "remove or replace it (minirmae data check lists every broken file of a folder)"
    try:
        with pillow.Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.mode.startswith(("I", "F")):
                raise DataError(f"{path}: has more than 8 bits per channel (mode {image.mode}); save it as 8-bit")
            yield image
    except DataError:
        raise
    except pillow.UnidentifiedImageError as error:
        raise DataError(f"{path}: is not a PNG or JPEG image; {advice}") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        MemoryError,
        struct.error,
        zlib.error,
        pillow.Image.DecompressionBombError,
    ) as error:
        raise DataError(f"{path}: cannot be decoded ({error}); {advice}") from error


def _pillow() -> Any:
    """Import Pillow, or say how to get it."""
    try:
        import PIL.Image
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError("folders of images are read with Pillow; pip install 'minirmae[plot]'") from error
    return PIL
