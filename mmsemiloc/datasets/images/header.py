"""What the first bytes of an image file say: its size, and whether its pixels are plain."""

import contextlib
import io
import re
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageFile, TiffImagePlugin

JPEG, PNG = b'\xff\xd8', b'\x89PNG\r\n\x1a\n'
TIFF = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
# Formats of Pillow that OpenCV decodes to the same pixels, and its modes without transparency or
# deep values.
OPENCV_FORMATS = ('BMP', 'PPM', 'SUN', 'TIFF', 'WEBP')
PLAIN_MODES = ('1', 'L', 'P', 'RGB', 'CMYK', 'YCbCr')
CMYK = 5  # a photometric of TIFF
ALPHAS = {1: 'multiplied', 2: 'straight'}  # an extra sample of TIFF
ORIENTATION = 274  # number of the tag in EXIF
# Radiance, PFM and PAM, each with at most so much text before its size.
TEXT_HEADERS = (
    re.compile(rb'#\?.{0,65536}?\n-Y (?P<height>\d{1,9}) \+X (?P<width>\d{1,9})\n', re.S),
    re.compile(rb'P[Ff]\s+(?P<width>\d{1,9})\s+(?P<height>\d{1,9})\s'),
    re.compile(rb'P7\s+WIDTH (?P<width>\d{1,9})\s+HEIGHT (?P<height>\d{1,9})\s'),
)


@dataclass(frozen=True)
class Header:
    """What is known before the pixels are decoded.

    Attributes:
        width: In pixels, as stored.
        height: The same.
        plain: Whether the values have up to 8 bits and no transparency, so that OpenCV's picture is
            what a person sees.
        deep: Whether values have more than 8 bits or are signed or floats.
        bits: Bits of a value that the file states, if fewer than its container has; else None.
        inverted: Whether 0 is white.
        alpha: Whether a last channel is transparency: '' (no), 'straight' or 'multiplied' (into the
            colours).
        hidden: The one grey value that is transparent, if any.
        orientation: 1 to 8, as in EXIF, of what OpenCV does not turn by itself.
        odd: Why deep values are not a picture that can be shown; '' if they are.
    """

    width: int
    height: int
    plain: bool = True
    deep: bool = False
    bits: int | None = None
    inverted: bool = False
    alpha: str = 'straight'
    hidden: int | None = None
    orientation: int = 1
    odd: str = ''


@contextlib.contextmanager
def pixel_limit(pixels: int | None) -> Iterator[None]:
    """Let Pillow refuse images of more pixels, or none: its own limit is another one.

    Also what a file has in an image inside it, which its header does not tell.
    """
    # Pillow warns from this number on, and refuses from its double on.
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None if pixels is None else -(-pixels // 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of damaged metadata
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def open_image(content: bytes) -> ImageFile.ImageFile:
    """An image that Pillow has read the header of."""
    with pixel_limit(None):
        return Image.open(io.BytesIO(content))


def jpeg_header(content: bytes) -> Header | None:
    """Size from the frame header of a JPEG; None without one."""
    place = 2
    while place + 9 <= len(content):
        marker = content[place + 1]
        if content[place] != 0xFF or marker == 0xFF:  # decoders pass over stray and fill bytes
            place += 1
        elif marker in (0x01, *range(0xD0, 0xD9)):  # these have no length
            place += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from('>HH', content, place + 5)
            return Header(width, height)
        else:
            place += 2 + int.from_bytes(content[place + 2 : place + 4], 'big')

    return None


def exif_orientation(exif: bytes) -> int:
    """Orientation in EXIF data, 1 if it says none."""
    tags = Image.Exif()
    try:
        tags.load(exif)
        return int(tags.get(ORIENTATION, 1))
    except Exception:  # damaged metadata do not make the pixels unreadable
        return 1


def png_header(content: bytes) -> Header | None:
    """Size, depth and transparency of a PNG, from the chunks before its pixels; None if cut off."""
    if len(content) < 33:
        return None
    width, height, depth, color = struct.unpack_from('>IIBB', content, 16)

    # Transparency, stated bits and orientation, which come before the pixels.
    chunks, place = {}, 33
    while place + 8 <= len(content):
        size, kind = struct.unpack_from('>I4s', content, place)
        if kind == b'IDAT':
            break
        if kind in (b'tRNS', b'sBIT', b'eXIf'):
            chunks[kind] = content[place + 8 : place + 8 + size]
        place += 12 + size

    grey, has_alpha = color in (0, 4), color in (4, 6)
    transparent, stated = chunks.get(b'tRNS'), chunks.get(b'sBIT')
    hidden = None
    if transparent and grey:  # of 1, 2 or 4 bits, which decoders spread over 8
        spread = 255 // (2**depth - 1) if depth < 8 else 1
        hidden = int.from_bytes(transparent[:2], 'big') * spread

    return Header(
        width,
        height,
        plain=depth <= 8 and not has_alpha and transparent is None,
        deep=depth > 8,
        bits=stated[0] if stated and depth > 8 else None,
        hidden=hidden,
        orientation=exif_orientation(chunks[b'eXIf']) if b'eXIf' in chunks else 1,
    )


def tiff_header(content: bytes) -> Header | None:
    """Size and kind of values of the first page of a TIFF; None if it is damaged."""
    big = content[2:3] == b'+' or content[3:4] == b'+'
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(content[: 16 if big else 8])
        file = io.BytesIO(content)
        file.seek(tags.next)
        with pixel_limit(None):
            tags.load(file)
        width, height = int(tags[256]), int(tags[257])
    except Exception:  # a damaged directory raises all kinds of errors
        return None

    # What kind of values there are, by the numbers of the tags in the TIFF specification.
    bits, formats = tuple(tags.get(258, (1,))), tuple(tags.get(339, (1,)))
    photometric, samples = int(tags.get(262, 1)), int(tags.get(277, 1))
    extra, largest = tuple(tags.get(338, ())), tags.get(281)
    deep = max(bits) > 8 or set(formats) != {1}
    stated = max(largest).bit_length() if largest and max(largest) > 0 else max(bits)

    odd = ''
    if samples > 4 or (deep and samples == 2):
        odd = f'{samples} channels, which are no picture'
    elif deep and photometric not in (0, 1, 2):
        odd = (
            f'values of {max(bits)} bits that are neither grey nor RGB (photometric {photometric})'
        )

    ordinary = (samples in (1, 3) and not extra) or (samples == 4 and photometric == CMYK)
    return Header(
        width,
        height,
        plain=ordinary and not deep,
        deep=deep,
        bits=stated if deep and stated < 8 * -(-max(bits) // 8) else None,
        inverted=deep and photometric == 0,
        alpha=ALPHAS.get(extra[0] if extra else 0, ''),
        odd=odd,
    )


def other_header(content: bytes) -> Header | None:
    """Size and mode of any other format, from Pillow; None if it does not know it."""
    try:
        image = open_image(content)
    except Exception:  # plugins raise all kinds of errors for damaged files
        return None

    # A PPM whose largest value is not 255 has a decoder of its own, which scales the values.
    scaled = image.format == 'PPM' and any(tile[0] != 'raw' for tile in image.tile)
    plain = (
        image.format in OPENCV_FORMATS
        and image.mode in PLAIN_MODES
        and 'transparency' not in image.info
        and not scaled
    )
    # Pillow scales deep values of a PGM to 16 bits.
    return Header(*image.size, plain=plain, bits=16 if image.format == 'PPM' else None)


def text_header(content: bytes) -> Header | None:
    """Size of a format of OpenCV's whose header is text and which Pillow does not know."""
    for pattern in TEXT_HEADERS:
        found = pattern.match(content)
        if found:
            return Header(int(found['width']), int(found['height']), deep=True)
    return None


def read_header(content: bytes) -> Header | None:
    """What the first bytes of a file say; None if there is no image, or a damaged one."""
    if content.startswith(JPEG):
        return jpeg_header(content)
    if content.startswith(PNG):
        return png_header(content)
    if content.startswith(TIFF):
        return tiff_header(content)
    return other_header(content) or text_header(content)
