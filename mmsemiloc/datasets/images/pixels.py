"""Pixels as a person sees them: transparency over a background, deep values as 8 bits."""

import contextlib
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mmsemiloc.datasets.images.depth import opacity, to_eight_bits
from mmsemiloc.datasets.images.errors import ImageFault
from mmsemiloc.datasets.images.header import Header, open_image, pixel_limit

MAX_PIXELS = 2**28  # of an image: 0.8 GB, as 8-bit colours
# What turns a stored picture upright, by its EXIF orientation.
UPRIGHT = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}


def check_size(width: int, height: int, max_pixels: int, max_aspect_ratio: float) -> None:
    """Refuse an image without pixels, with too many, or one that is too long.

    Resizing the short side of a very long image would fill the memory.

    Args:
        width: In pixels.
        height: The same.
        max_pixels: Largest width * height.
        max_aspect_ratio: Largest ratio of the long side to the short one.

    Raises:
        ImageFault: With the size and the limit.
    """
    size = f'{width} x {height} pixels'
    if min(width, height) < 1:
        raise ImageFault(f'{size}: an image without pixels')

    if width * height > max_pixels:
        raise ImageFault(
            f'{size} are more than LoadImageFromFile(max_pixels={max_pixels}): '
            'make the image smaller, or raise the limit'
        )
    if max(width, height) > max_aspect_ratio * min(width, height):
        raise ImageFault(
            f'{size}: longer than LoadImageFromFile(max_aspect_ratio='
            f'{max_aspect_ratio:g}) allows: cut the image, or raise the limit'
        )


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Without OpenCV's own lines about damaged files on the terminal."""
    level = cv2.getLogLevel()
    cv2.setLogLevel(0)
    try:
        yield
    finally:
        cv2.setLogLevel(level)


def damaged(error: Exception) -> ImageFault:
    """The fault of a file that a decoder fails on."""
    if isinstance(error, UnidentifiedImageError):  # its text is about objects in memory
        return ImageFault('no image of a known format')
    text = ' '.join(str(error).split()) or type(error).__name__
    return ImageFault(f'no image, or a damaged one ({text})')


def pillow_pixels(content: bytes, upright: bool, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The first frame by Pillow: BGR or BGRA uint8, or deep grey values (H, W).

    Raises:
        ImageFault: If it is damaged, or of a mode that has no colours, or too large.
    """
    try:
        with pixel_limit(max_pixels):
            image: Image.Image = open_image(content)
            image.load()
        image = ImageOps.exif_transpose(image) if upright else image

        if image.mode.startswith(('I', 'F')):
            return np.asarray(image)
        transparent = 'transparency' in image.info or image.mode.endswith(('A', 'a'))
        pixels = np.asarray(image.convert('RGBA' if transparent else 'RGB'))
    except Exception as error:  # Pillow's plugins raise all kinds of errors for damaged files
        raise damaged(error) from error
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def deep_pixels(
    content: bytes, header: Header, upright: bool, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Values of more than 8 bits as they are stored, upright if wanted: grey (H, W), BGR or BGRA.

    Raises:
        ImageFault: If they are damaged.
    """
    try:
        with quiet_opencv():
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        return pillow_pixels(content, upright, max_pixels)

    if pixels.ndim == 3 and pixels.shape[2] == 4 and not header.alpha:
        pixels = pixels[..., :3]
    if header.alpha == 'multiplied' and pixels.ndim == 3 and pixels.shape[2] == 4:
        # The colours hold their share already, which the composition would take once more.
        opaque = pixels[..., 3:].astype(np.float64)
        full = 1.0 if pixels.dtype.kind == 'f' else 2.0 ** (8 * pixels.dtype.itemsize) - 1
        colours = np.minimum(pixels[..., :3] * (full / np.maximum(opaque, 1e-9)), full)
        pixels = np.concatenate([colours.astype(pixels.dtype), pixels[..., 3:]], 2)

    turn = UPRIGHT.get(header.orientation) if upright else None
    return pixels if turn is None else turn(pixels)


def compose(pixels: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) with an opacity (H, W), both uint8, over a background (3,)."""
    share = alpha[..., None].astype(np.float32) / 255
    return np.rint(share * pixels + (1 - share) * background).astype(np.uint8)


def seen_pixels(
    content: bytes,
    header: Header,
    background: np.ndarray,
    bits: int | None,
    upright: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """A file's picture as a person sees it, BGR uint8 (H, W, 3).

    Args:
        content: The file.
        header: What its first bytes say.
        background: Colour (3,) BGR, 0 to 255, behind what is transparent.
        bits: Bits of a value that the user states.
        upright: Whether to follow the EXIF orientation.
        max_pixels: Largest number of pixels.

    Raises:
        ImageFault: If it is damaged, or cannot be shown.
    """
    if header.odd:
        raise ImageFault(f'an image of {header.odd}')
    if header.deep:
        pixels = deep_pixels(content, header, upright, max_pixels)
    else:
        pixels = pillow_pixels(content, upright, max_pixels)

    # Transparency: a grey value that stands for it, or a channel of its own.
    alpha = None
    if header.hidden is not None:
        pixels = pixels if pixels.ndim == 2 else pixels[..., 0]
        alpha = np.where(pixels == header.hidden, 0, 255).astype(np.uint8)
    elif pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha = opacity(pixels[..., 3], header.bits, bits)
        # What cannot be seen does not count for the range of the values.
        pixels = np.where(alpha[..., None] > 0, pixels[..., :3], pixels.dtype.type(0))

    shown = to_eight_bits(pixels, header.bits, bits)
    shown = 255 - shown if header.inverted else shown
    shown = np.repeat(shown[..., None], 3, 2) if shown.ndim == 2 else shown
    shown = shown if alpha is None else compose(shown, alpha, background)
    return np.ascontiguousarray(shown)
