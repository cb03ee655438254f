"""Deep values as 8 bits: how many bits of a value count."""

import numpy as np

from mmsemiloc.datasets.images.errors import ImageFault


def meant_bits(values: np.ndarray, stated: int | None = None, bits: int | None = None) -> int:
    """How many bits of integers count.

    Args:
        values: Integers of at least 0.
        stated: Bits that the file states, if fewer than it stores.
        bits: Bits that the user states.

    Raises:
        ImageFault: If nobody states them and the values do not tell: 12 bits in 16 look black to
            all who take 16.
    """
    largest, container = int(values.max()), 8 * values.dtype.itemsize
    if bits is not None:
        if largest >= 2**bits:
            raise ImageFault(
                f'a value of {largest} is more than LoadImageFromFile(bits={bits}) allows'
            )
        return bits
    if stated is not None and largest < 2**stated:
        return stated

    # Nobody states them: do the values tell?
    if values.dtype == np.uint16:
        # Multiples of 256 or 257 are 8 bits that were spread over 16.
        if largest >= 2**14 or not (values % 256).any() or not (values % 257).any():
            return 16
    elif largest < 256:
        return 8
    raise ImageFault(
        f'values of {container} bits, of which the largest is {largest}: set '
        'LoadImageFromFile(bits=...) to the number of bits that count'
    )


def to_eight_bits(
    pixels: np.ndarray, stated: int | None = None, bits: int | None = None
) -> np.ndarray:
    """Values of any type as uint8, 0 to 255.

    Integers lose their lowest bits. Floats from 0 to 1 are stretched, those from 0 to 255 rounded.

    Args:
        pixels: Values of an image.
        stated: Bits of a value that the file states, if fewer than it stores.
        bits: Bits that the user states.

    Raises:
        ImageFault: If values are negative, not finite, larger than 255 (floats), or do not tell how
            many bits count.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * 255

    if not np.isfinite(pixels).all():
        raise ImageFault('values that are not finite (NaN or infinite)')
    low, high = pixels.min(), pixels.max()
    if low < 0:
        raise ImageFault(f'negative values, down to {low:g}, which are no picture')

    # Floats are either shares of full brightness or the values of 8 bits.
    if pixels.dtype.kind == 'f':
        if high > 255:
            raise ImageFault(f'floats up to {high:g}: expected 0 to 1, or 0 to 255')
        return np.rint(pixels * 255 if high <= 1 else pixels).astype(np.uint8)

    # The highest bits that count become the 8 of a picture.
    shift = meant_bits(pixels, stated, bits) - 8
    return (pixels >> shift if shift >= 0 else pixels << -shift).astype(np.uint8)


def opacity(alpha: np.ndarray, stated: int | None, bits: int | None) -> np.ndarray:
    """Deep transparency as uint8; it may fill 16 bits where the colours do not.

    Raises:
        ImageFault: As :func:`to_eight_bits`.
    """
    full = alpha.dtype == np.uint16 and alpha.max() >= 2**14
    return to_eight_bits(alpha, None if full else stated, None if full else bits)
