"""Pixels are what a person sees, whatever the format, or the file is refused by name."""

import io
import re
import struct
import zlib

import cv2
import mmcv
import numpy as np
import pytest
import tifffile
from mmcv.transforms import LoadImageFromFile as StockLoader
from PIL import Image

from mmsemiloc.datasets import LoadImageFromFile, SemiSupDataset
from mmsemiloc.datasets.images.errors import ImageFault
from mmsemiloc.datasets.images.header import pixel_limit, read_header
from mmsemiloc.datasets.images.pixels import pillow_pixels
from mmsemiloc.datasets.listing.endings import EXTENSIONS, is_image

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 20, 4), dtype=np.uint8)
RGB, BGR, GREY = PIXELS[..., :3], PIXELS[..., 2::-1], PIXELS[..., 0]
PICTURE, PALE = Image.fromarray(RGB), Image.fromarray(PIXELS)
LOADER = LoadImageFromFile()


def encode(picture, kind, **kwargs):
    with io.BytesIO() as file:
        picture.save(file, kind, **kwargs)
        return file.getvalue()


def tiff(values, **kwargs):
    with io.BytesIO() as file:
        tifffile.imwrite(file, values, **kwargs)
        return file.getvalue()


def png(values):
    """A PNG of RGB(A) or grey values of 8 or 16 bits."""
    order = [2, 1, 0, 3][: values.shape[2]] if values.ndim == 3 else slice(None)
    return cv2.imencode('.png', values[..., order] if values.ndim == 3 else values)[1].tobytes()


def with_chunk(content, kind, data):
    """A PNG with one more chunk after its header."""
    chunk = struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return content[:33] + chunk + content[33:]


def grey_png(depth, row, hidden):
    """A PNG of one row of grey values of so many bits, of which one is transparent."""
    header = struct.pack('>IIBBBBB', 8 * len(row) // depth, 1, depth, 0, 0, 0, 0)
    chunks = (
        (b'IHDR', header),
        (b'tRNS', struct.pack('>H', hidden)),
        (b'IDAT', zlib.compress(b'\0' + row)),
        (b'IEND', b''),
    )
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in chunks
    )


def over(background):
    """What PALE looks like over an RGB background, BGR."""
    share = PIXELS[..., 3:] / np.float32(255)
    return np.rint(share * RGB + (1 - share) * np.array(background))[..., ::-1]


ORDINARY = {
    'jpg': encode(PICTURE, 'JPEG'),
    'grey jpg': encode(PICTURE.convert('L'), 'JPEG'),
    'cmyk jpg': encode(PICTURE.convert('CMYK'), 'JPEG'),
    'progressive jpg': encode(PICTURE, 'JPEG', progressive=True),
    'png': encode(PICTURE, 'PNG'),
    'grey png': encode(PICTURE.convert('L'), 'PNG'),
    'palette png': encode(PICTURE.quantize(16), 'PNG'),
    '1-bit png': encode(PICTURE.convert('1'), 'PNG'),
    'bmp': encode(PICTURE, 'BMP'),
    'webp': encode(PICTURE, 'WEBP'),
    'tiff': encode(PICTURE, 'TIFF'),
    '1-bit tiff': encode(PICTURE.convert('1'), 'TIFF'),
    'cmyk tiff': encode(PICTURE.convert('CMYK'), 'TIFF'),
    'white is 0': tiff(255 - GREY, photometric='miniswhite'),
    'ppm': encode(PICTURE, 'PPM'),
    'pbm': encode(PICTURE.convert('1'), 'PPM'),
}


@pytest.mark.parametrize('name', ORDINARY)
@pytest.mark.parametrize(
    'kwargs',
    [
        dict(),
        dict(color_type='grayscale'),
        dict(color_type='unchanged'),
        dict(imdecode_backend='pillow'),
        dict(to_float32=True),
    ],
    ids=str,
)
def test_ordinary_images_are_those_of_mmcv_bit_for_bit(tmp_path, name, kwargs):
    (tmp_path / 'image').write_bytes(ORDINARY[name])
    ours, stock = (
        loader(**kwargs)(dict(img_path=str(tmp_path / 'image')))
        for loader in (LoadImageFromFile, StockLoader)
    )
    assert (
        ours.keys() == stock.keys() and ours['ori_shape'] == stock['ori_shape'] == ours['img_shape']
    )
    assert ours['img'].dtype == stock['img'].dtype and np.array_equal(ours['img'], stock['img'])


def test_the_orientation_is_followed():
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[274] = orientation
        expected = mmcv.imfrombytes(encode(PICTURE, 'PNG', exif=exif))
        assert np.array_equal(LOADER.decode(encode(PICTURE, 'PNG', exif=exif)), expected)
        opaque = encode(PICTURE.convert('RGBA'), 'PNG', exif=exif)
        assert np.array_equal(LOADER.decode(opaque), expected)
        tagged = dict(photometric='rgb', extratags=[(274, 'H', 1, orientation, True)])
        for values in (RGB.astype(np.uint16) * np.uint16(257), RGB.astype(np.float32)):
            assert np.array_equal(LOADER.decode(tiff(values, **tagged)), expected)
        deep = with_chunk(png(RGB.astype(np.uint16) * np.uint16(257)), b'eXIf', exif.tobytes()[6:])
        assert np.array_equal(LOADER.decode(deep), expected)
        lying = LoadImageFromFile(color_type='color_ignore_orientation')
        assert np.array_equal(lying.decode(opaque), BGR) and np.array_equal(lying.decode(deep), BGR)


@pytest.mark.parametrize('kind', ['PNG', 'TIFF', 'WEBP', 'TGA'])
@pytest.mark.parametrize('background', [(255, 255, 255), (0, 100, 200)])
def test_transparency_lies_over_the_background(kind, background):
    content = encode(PALE, kind, **(dict(lossless=True, exact=True) if kind == 'WEBP' else {}))
    assert np.array_equal(
        LoadImageFromFile(background=background).decode(content), over(background)
    )
    grey = LoadImageFromFile(color_type='grayscale', background=background).decode(content)
    assert np.array_equal(grey, cv2.cvtColor(over(background).astype(np.uint8), cv2.COLOR_BGR2GRAY))


@pytest.mark.parametrize(
    'name, content',
    [
        ('palette', encode(Image.new('RGB', (4, 4), (9, 9, 9)).quantize(2), 'PNG', transparency=0)),
        ('gif', encode(Image.new('P', (4, 4), 3), 'GIF', transparency=3)),
        ('grey', encode(Image.new('L', (4, 4), 3), 'PNG', transparency=3)),
        ('rgb', encode(Image.new('RGB', (4, 4), (1, 2, 3)), 'PNG', transparency=(1, 2, 3))),
        ('grey and alpha', encode(Image.new('LA', (4, 4), (9, 0)), 'PNG')),
        ('16 bits', png((np.full((4, 4, 4), 9) * [257, 257, 257, 0]).astype(np.uint16))),
    ],
)
def test_what_is_transparent_shows_the_background(name, content):
    assert (LoadImageFromFile(background=(10, 20, 30)).decode(content) == (30, 20, 10)).all()
    assert not (mmcv.imfrombytes(content) == (30, 20, 10)).all()  # what mmcv makes of it


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize(
    'name, scale, encode_values, kwargs',
    [
        ('16 bits', 257, png, {}),
        ('8 bits in the upper half of 16', 256, png, {}),
        ('12 bits in 16, stated by the user', 16, png, dict(bits=12)),
        ('8 bits in 16, stated by the user', 1, png, dict(bits=8)),
        ('16 bits', 257, 'tiff', {}),
        ('floats 0 to 1', 1 / 255, 'tiff', {}),
        ('floats 0 to 255', 1.0, 'tiff', {}),
        ('8 bits in 32', 1, 'int32', {}),
        ('16 bits in 32, stated by the user', 257, 'int32', dict(bits=16)),
    ],
)
def test_deep_values_are_scaled(channels, name, scale, encode_values, kwargs):
    values = PIXELS[..., :channels].squeeze()
    if encode_values is png:
        content = png(values.astype(np.uint16) * np.uint16(scale))
    else:
        dtype = (
            np.int32
            if encode_values == 'int32'
            else np.float32
            if isinstance(scale, float)
            else np.uint16
        )
        layout = (
            dict(photometric='rgb', extrasamples=['unassalpha'] * (channels == 4))
            if channels > 1
            else {}
        )
        content = tiff((values * np.array(scale)).astype(dtype), **layout)
    expected = {1: np.repeat(GREY[..., None], 3, 2), 3: BGR, 4: over((255, 255, 255))}[channels]
    assert np.abs(LoadImageFromFile(**kwargs).decode(content).astype(int) - expected).max() <= (
        channels == 4
    )


@pytest.mark.parametrize(
    'depth, row, hidden, expected',
    [
        (1, bytes([0b01010101]), 1, [0, 9] * 4),
        (2, bytes([0b00011011]), 2, [0, 85, 9, 255]),
        (4, bytes([0x0F, 0x81]), 8, [0, 255, 9, 17]),
        (8, bytes([0, 5, 200]), 5, [0, 9, 200]),
        (16, struct.pack('>3H', 60000, 1000, 30000), 1000, [234, 9, 117]),
    ],
)
def test_a_transparent_grey_value_of_any_depth(depth, row, hidden, expected):
    image = LoadImageFromFile(background=(9, 9, 9)).decode(grey_png(depth, row, hidden))
    assert image[0, :, 0].tolist() == expected


def test_stated_bits_of_a_file_count():
    twelve = GREY.astype(np.uint16) * 16
    grey = np.repeat(GREY[..., None], 3, 2)
    assert np.array_equal(LOADER.decode(tiff(twelve, extratags=[(281, 'H', 1, 4095, True)])), grey)
    assert np.array_equal(LOADER.decode(with_chunk(png(twelve), b'sBIT', bytes([12]))), grey)
    assert LOADER.decode(b'P5\n2 1\n4095\n' + bytes([0x0F, 0xFF, 0x08, 0x00]))[
        0, :, 0
    ].tolist() == [255, 128]
    assert LOADER.decode(b'P5\n2 1\n100\n' + bytes([100, 50]))[0, :, 0].tolist() == [255, 128]
    assert np.array_equal(
        LOADER.decode(tiff(65535 - GREY.astype(np.uint16) * 257, photometric='miniswhite')), grey
    )


@pytest.mark.parametrize(
    'name, content, match',
    [
        (
            '12 bits in 16',
            png(RGB.astype(np.uint16) * 16),
            r'16 bits, of which the largest is 4080: set .*bits=...',
        ),
        ('8 bits in 16', tiff(GREY.astype(np.uint16)), r'the largest is 255: set .*bits=...'),
        ('signed', tiff(GREY.astype(np.int16) * 100), r'the largest is 25500: set'),
        ('negative', tiff(-GREY.astype(np.float32)), 'negative values, down to -255'),
        ('negative integers', tiff(-GREY.astype(np.int16)), 'negative values, down to -255'),
        (
            'large floats',
            tiff(GREY.astype(np.float32) * 2),
            'floats up to 510: expected 0 to 1, or 0 to 255',
        ),
        ('NaN', tiff(np.full((4, 4), np.nan, np.float32)), 'not finite'),
        ('infinite', tiff(np.full((4, 4), np.inf, np.float32)), 'not finite'),
        (
            'many channels',
            tiff(np.dstack([RGB, RGB]), photometric='rgb', planarconfig='contig'),
            '6 channels',
        ),
        (
            'deep CMYK',
            tiff(PIXELS.astype(np.uint16) * 257, photometric='separated'),
            'neither grey nor RGB',
        ),
        ('no image', b'hello', 'no image of a known format'),
        ('empty', b'', 'no image'),
        ('half a GIF', encode(PICTURE, 'GIF')[:-300], 'damaged'),
        ('half a webp', encode(PICTURE, 'WEBP')[:-300], 'no image'),
        ('half a transparent PNG', encode(PALE, 'PNG')[:-300], 'damaged'),
        ('half a deep PNG', png(RGB.astype(np.uint16) * 257)[:-300], 'damaged'),
        ('half a TIFF', encode(PICTURE, 'TIFF')[:-300], 'no image|damaged'),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(name, content, match, capfd):
    with pytest.raises(ImageFault, match=match) as caught:
        LOADER.decode(content)
    assert '\n' not in str(caught.value) and '0x' not in str(caught.value)
    assert capfd.readouterr().err == ''  # OpenCV says nothing of its own


@pytest.mark.parametrize(
    'size, kwargs, match',
    [
        ((1, 1), {}, None),
        ((2, 200), {}, None),
        ((16000, 1000), {}, None),
        ((1, 10000), {}, '1 x 10000 pixels: longer than .*max_aspect_ratio=100'),
        ((10000, 1), {}, '10000 x 1 pixels: longer than'),
        ((10000, 1), dict(max_aspect_ratio=10000), None),
        ((20, 20), dict(max_pixels=399), '20 x 20 pixels are more than .*max_pixels=399'),
        ((20, 20), dict(max_pixels=400), None),
    ],
)
@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'GIF', 'TIFF', 'BMP'])
def test_sizes(size, kwargs, match, kind):
    loader, content = LoadImageFromFile(**kwargs), encode(Image.new('RGB', size), kind)
    if match is None:
        assert loader.decode(content).shape == (*size[::-1], 3)
    else:
        with pytest.raises(ImageFault, match=match):
            loader.decode(content)


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'GIF', 'TIFF', 'BMP', 'WEBP'])
def test_the_size_is_read_before_the_pixels_are_decoded(kind, monkeypatch):
    """So memory stays bounded."""
    content = encode(PICTURE, kind)
    monkeypatch.setattr(mmcv, 'imfrombytes', lambda *args, **kwargs: pytest.fail('decoded'))
    monkeypatch.setattr(Image.Image, 'convert', lambda *args, **kwargs: pytest.fail('decoded'))
    with pytest.raises(ImageFault, match='20 x 30 pixels are more than'):
        LoadImageFromFile(max_pixels=599).decode(content)


@pytest.mark.parametrize('kind', ['.hdr', '.pfm', '.pam'])
def test_formats_that_pillow_does_not_know(kind, monkeypatch):
    """OpenCV would decode them at any size."""
    values = np.random.default_rng(0).random((30, 20, 3), np.float32)
    values = (values * 255).astype(np.uint8) if kind == '.pam' else values
    content = cv2.imencode(kind, values)[1].tobytes()
    assert LoadImageFromFile(max_pixels=600).decode(content).shape == (30, 20, 3)

    monkeypatch.setattr(cv2, 'imdecode', lambda *args: pytest.fail('decoded'))
    with pytest.raises(ImageFault, match='20 x 30 pixels are more than .*max_pixels=599'):
        LoadImageFromFile(max_pixels=599).decode(content)


def test_a_file_whose_header_tells_no_size_is_not_decoded(monkeypatch):
    """Else it could hold an image of any size."""
    tiff = bytearray(encode(PICTURE, 'TIFF'))
    place = re.search(rb'\x01\x01[\x03\x04]\x00', tiff).start()  # the tag of the height
    tiff[place : place + 2] = b'\xff\xff'
    monkeypatch.setattr(mmcv, 'imfrombytes', lambda *args, **kwargs: pytest.fail('decoded'))
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: pytest.fail('decoded'))
    for content in (bytes(tiff), b'\xff\xd8\xff\xe0', encode(PICTURE, 'PNG')[:30]):
        with pytest.raises(ImageFault, match='no image, or a damaged one'):
            LOADER.decode(content)
    with pytest.raises(ImageFault, match='no image of a known format'):
        LOADER.decode(b'something else')


def test_stray_bytes_in_a_jpeg_do_not_hide_its_size():
    """Decoders pass over them."""
    content = encode(PICTURE, 'JPEG')
    place = 4 + int.from_bytes(content[4:6], 'big')
    stray = content[:place] + b'\0\1\2' + content[place:]
    assert LoadImageFromFile(max_pixels=600).decode(stray).shape == (30, 20, 3)
    with pytest.raises(ImageFault, match='20 x 30 pixels are more than'):
        LoadImageFromFile(max_pixels=599).decode(stray)


def test_pillow_refuses_what_its_header_did_not_tell():
    """An image inside a file may be larger than the file says; its own limit stays as it was."""
    before, content = Image.MAX_IMAGE_PIXELS, encode(PICTURE, 'GIF')
    assert pillow_pixels(content, True, 600).shape == (30, 20, 3)
    with pixel_limit(598), pytest.raises(Image.DecompressionBombError, match='600 pixels'):
        Image.open(io.BytesIO(content))
    with pixel_limit(600):
        Image.open(io.BytesIO(content))
    assert Image.MAX_IMAGE_PIXELS == before


def test_an_image_without_pixels():
    content = bytearray(encode(PICTURE, 'PNG'))
    content[16:20] = bytes(4)
    with pytest.raises(ImageFault, match='0 x 30 pixels: an image without pixels'):
        LOADER.decode(bytes(content))


def test_every_ending_is_one_that_is_read(tmp_path):
    """Each file is written in the format of its ending, and comes back."""
    kinds = {
        '.jfif': 'JPEG',
        '.pnm': 'PPM',
        '.jpe': 'JPEG',
        '.ras': None,
        '.mpo': 'MPO',
        '.dib': 'DIB',
        '.apng': 'PNG',
    }
    for ending in EXTENSIONS:
        path = tmp_path / f'image{ending.upper()}'
        if ending == '.ras':
            path.write_bytes(cv2.imencode('.ras', np.ascontiguousarray(BGR))[1].tobytes())
        else:
            picture = (
                PICTURE.convert('L')
                if ending == '.pgm'
                else PICTURE.convert('1')
                if ending == '.pbm'
                else PICTURE
            )
            picture.save(path, kinds.get(ending) or Image.registered_extensions()[ending])
        assert is_image(path.name)
        assert LOADER(dict(img_path=str(path)))['img'].shape == (30, 20, 3), ending
    assert not is_image('photo.heic') and not is_image('jpg')


def test_mmcvs_transform_in_a_pipeline_becomes_ours(sources):
    encode_to = sources.root / 'labeled' / 'ø 0.jpg'
    Image.new('RGBA', (20, 20), (1, 2, 3, 0)).save(encode_to, 'PNG')
    dataset = sources.build()
    assert (dataset[0]['inputs'] == 255).all()
    assert isinstance(dataset.datasets[0].pipeline.transforms[0], LoadImageFromFile)
    assert isinstance(dataset, SemiSupDataset)


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(background=(1, 2)), 'background'),
        (dict(background=(0, 0, 256)), 'background'),
        (dict(bits=0), 'bits must be'),
        (dict(bits=33), 'bits must be'),
        (dict(max_pixels=0), 'at least 1, got 0'),
        (dict(max_aspect_ratio=0.5), 'at least 1'),
    ],
)
def test_bad_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        LoadImageFromFile(**kwargs)


def test_headers_of_damaged_files_are_none():
    for content in (
        b'\xff\xd8',
        b'\xff\xd8\xff\xe0\0\x02hello, this is no jpeg',
        b'\x89PNG\r\n\x1a\n',
        b'II*\0',
        b'GIF89a',
    ):
        assert read_header(content) is None
