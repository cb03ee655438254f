"""Small pictures of image files for pages."""

import html
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmsemiloc.datasets.images.errors import cannot_be_read
from mmsemiloc.datasets.images.loading import LoadImageFromFile
from mmsemiloc.study.page import embed
from mmsemiloc.visualization.pictures import draw_map

QUALITY = 80  # of the JPEG files


def read_small(file: Path, size: int) -> np.ndarray | None:
    """BGR uint8 (h, w, 3) of an image file, ``size`` pixels on the long side.

    Returns:
        None if the file cannot be read (any more).
    """
    loader = LoadImageFromFile()
    try:
        image = loader.decode(loader.read(str(file)))
    except Exception as error:
        if cannot_be_read(error):
            return None
        raise
    return draw_map(image, None, (), size / max(image.shape[:2]))


def to_jpeg(image: np.ndarray) -> bytes:
    """JPEG of BGR uint8 (H, W, 3)."""
    return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


@dataclass(frozen=True)
class Thumbnails:
    """Small pictures (HTML) of files, with what is said about them.

    Attributes:
        folder: The deepest folder that has all files; names below the pictures start there.
    """

    folder: str

    @classmethod
    def of(cls, files: Iterable[Path]) -> 'Thumbnails':
        """For pictures of some of these files, at least one."""
        folders = {os.path.dirname(os.path.abspath(file)) for file in files}
        return cls(os.path.commonpath(folders))

    def one(self, file: Path, said: str, size: int, before: str = '') -> str:
        """A figure of a file.

        Args:
            file: The image; there is a line in its place if it cannot be read.
            said: Plain text below it.
            size: Pixels of the long side.
            before: What comes before ``said`` for readers who do not see the heading above.
        """
        image, alt = read_small(file, size), f'{in_text(file.name)}, {before}{said}'
        return self._figure(file, missing(alt) if image is None else shown(image, alt), said)

    def with_map(self, file: Path, cam: np.ndarray, said: str, size: int) -> str:
        """A figure of a file, and beside it the same under a map.

        Args:
            file: The image; there is a line in its place if it cannot be read.
            cam: Map (h, w) over the whole image; its positive part is shown.
            said: Plain text below it.
            size: Pixels of the long side.
        """
        image, alt = read_small(file, size), f'{in_text(file.name)}, {said}'
        if image is None:
            return self._figure(file, missing(alt), said)

        height, width = image.shape[:2]
        full = cv2.resize(np.asarray(cam, np.float32), (width, height))
        both = shown(image, alt) + shown(draw_map(image, full, (), 1.0), f'map of {alt}')
        return self._figure(file, f'<div class="pair">{both}</div>', said)

    def _figure(self, file: Path, content: str, said: str) -> str:
        """A picture (HTML) above what is said and the name of its file."""
        path = os.path.relpath(os.path.abspath(file), self.folder)
        name = in_text(file if path.startswith(os.pardir) else path)
        caption = f'{html.escape(said)}<small>{html.escape(name)}</small>'
        return f'<figure>{content}<figcaption>{caption}</figcaption></figure>'


def shown(image: np.ndarray, alt: str) -> str:
    """The element of a picture, BGR uint8 (H, W, 3)."""
    return embed(to_jpeg(image), alt, 'jpeg')


def missing(alt: str) -> str:
    """What stands in the place of a picture that cannot be shown."""
    return f'<div class="missing" role="img" aria-label="{html.escape(alt)}">cannot be shown</div>'


def thumbs(figures: Iterable[str], kind: str = 'thumbs') -> str:
    """Figures in a grid."""
    return f'<div class="{kind}">{"".join(figures)}</div>'


def in_text(file: Path | str) -> str:
    """The name of a file as UTF-8; bytes that are none are shown as ``\\xNN``."""
    return os.fsencode(file).decode(errors='backslashreplace')
