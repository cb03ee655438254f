"""The transform that reads image files, in the place of mmcv's."""

from collections.abc import Sequence
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile as StockLoader
from mmengine import fileio
from mmengine.dataset import BaseDataset
from PIL.Image import DecompressionBombError

from mmsemiloc.datasets.contents import leaves
from mmsemiloc.datasets.images.errors import ImageFault
from mmsemiloc.datasets.images.header import JPEG, PNG, TIFF, pixel_limit, read_header
from mmsemiloc.datasets.images.pixels import (
    MAX_PIXELS,
    check_size,
    damaged,
    quiet_opencv,
    seen_pixels,
)
from mmsemiloc.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImageFromFile(StockLoader):
    """Reads images as mmcv's transform of that name, and shows all of them as a person sees them.

    8-bit images without transparency (JPEG, PNG, BMP ...) are the same, bit for bit. Transparency
    lies over a background; 16-bit and float images become 8-bit ones, instead of black or white;
    the first frame of a GIF is read. What is not a picture, too large, or too long is an
    :class:`ImageFault`; the size is read from the file's first bytes, before it is decoded.
    ``color_type='unchanged'`` and the backend ``tifffile`` give what is stored, as with mmcv.

    Args:
        *args: For mmcv's transform.
        background: RGB, 0 to 255, behind what is transparent.
        bits: How many bits of a value count, 1 to 32, in files that store more of them and do not
            say so (12 of 16).
        max_pixels: Largest number of pixels of an image. OpenCV has a limit of its own at 2^30, see
            its ``OPENCV_IO_MAX_IMAGE_PIXELS``.
        max_aspect_ratio: Largest ratio of the long side to the short one: ``ResizeEdge`` makes an
            image of 256 x 25,600 of one of 1 x 100.
        **kwargs: For mmcv's transform.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *args: Any,
        background: Sequence[int] = (255, 255, 255),
        bits: int | None = None,
        max_pixels: int = MAX_PIXELS,
        max_aspect_ratio: float = 100.0,
        **kwargs: Any,
    ) -> None:
        if len(background) != 3 or not all(0 <= value <= 255 for value in background):
            raise ValueError(
                f'background must be three numbers from 0 to 255 (RGB), got {background!r}'
            )
        if bits is not None and bits not in range(1, 33):
            raise ValueError(f'bits must be from 1 to 32, got {bits!r}')
        if max_pixels < 1 or max_aspect_ratio < 1:
            raise ValueError(
                'max_pixels and max_aspect_ratio must be at least 1, '
                f'got {max_pixels} and {max_aspect_ratio}'
            )

        super().__init__(*args, **kwargs)
        self.background = np.array(background[::-1], np.float32)
        self.bits, self.max_pixels, self.max_aspect_ratio = bits, max_pixels, max_aspect_ratio

    def transform(self, results: dict) -> dict | None:
        """Read one image; None if that is impossible and ``ignore_empty`` is set."""
        try:
            image = self.decode(self.read(results['img_path']))
        except Exception:
            if self.ignore_empty:
                return None
            raise

        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def read(self, path: str) -> bytes:
        """The file, from wherever the backend has it.

        Raises:
            ImageFault: If it is empty, or the backend does not have that name.
        """
        if self.file_client_args is not None:
            content = fileio.FileClient.infer_client(self.file_client_args, path).get(path)
        else:
            content = fileio.get(path, backend_args=self.backend_args)

        if content is None:  # from an LMDB
            raise ImageFault('no such key')
        if not len(content):
            raise ImageFault('the file is empty')
        return content

    def decode(self, content: bytes) -> np.ndarray:
        """A file's picture: BGR or grey uint8, or whatever is stored.

        Raises:
            ImageFault: If there is none, or one that is too large.
        """
        content = bytes(content) if not isinstance(content, bytes) else content
        header = read_header(content)
        if header is None:  # OpenCV might find an image of any size in it
            known = content.startswith((JPEG, PNG, *TIFF))
            raise ImageFault(
                'no image, or a damaged one' if known else 'no image of a known format'
            )
        check_size(header.width, header.height, self.max_pixels, self.max_aspect_ratio)

        stored = self.color_type == 'unchanged' or self.imdecode_backend == 'tifffile'
        if stored or header.plain:
            image = self.decode_stock(content)
        else:
            upright = 'ignore_orientation' not in self.color_type
            image = seen_pixels(
                content, header, self.background, self.bits, upright, self.max_pixels
            )
            if self.color_type.startswith('grayscale'):
                image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return image

    def decode_stock(self, content: bytes) -> np.ndarray:
        """The picture as mmcv's transform decodes it.

        Raises:
            ImageFault: If it is damaged.
        """
        try:
            with quiet_opencv(), pixel_limit(self.max_pixels):
                image = mmcv.imfrombytes(
                    content, flag=self.color_type, backend=self.imdecode_backend
                )
        except (OSError, SyntaxError, cv2.error, DecompressionBombError) as error:
            raise damaged(error) from error

        if image is None:
            raise ImageFault('no image, or a damaged one')
        return image


def ours(transform: object) -> object:
    """Our loading transform for mmcv's, with the same arguments; any other transform as it is."""
    if type(transform) is not StockLoader:
        return transform
    loader = LoadImageFromFile()
    loader.__dict__.update(transform.__dict__)
    return loader


def use_our_loader(dataset: BaseDataset) -> None:
    """Put our loading transform in the place of mmcv's in the pipelines of a dataset's parts."""
    for leaf in leaves(dataset):
        transforms = getattr(getattr(leaf, 'pipeline', None), 'transforms', [])
        transforms[:] = [ours(transform) for transform in transforms]
