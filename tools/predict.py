"""Classify images and show where the class is seen."""

import argparse
from pathlib import Path

from _cli import Parser, add_cfg_options, positive, run_command

DESCRIPTION = """\
Classify images with a checkpoint. Prints the most probable classes, and writes
to DIR:
predictions.csv   one row per image: its file, its picture, the K classes and
                  confidences (0 to 1), and x1 y1 x2 y2, the box around the
                  largest part of the activation map of its class, in pixels of
                  the photo as it is shown (upright; x2 and y2 outside)
*.png             the first images as the model sees them, with map and box

Maps need a linear head over average-pooled maps; other models (ViT ...) give
classes without boxes. An image that cannot be read is named at the end; then
the exit code is 1."""


def share(text: str) -> float:
    """Type of an argument: a number from 0 to below 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f'expected a number from 0 to below 1, got {text}')
    return value


def count(text: str) -> int:
    """Type of an argument: a whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 0, got {text}')
    return int(text)


def make_parser() -> Parser:
    """The arguments of this tool."""
    parser = Parser(
        DESCRIPTION,
        'python tools/predict.py configs/pets.py work_dirs/pets/epoch_130.pth photos/ \\\n'
        '      --out seen',
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        'images', nargs='+', type=Path, metavar='IMAGE', help='image file, or folder of images'
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='DIR', help='folder of the results'
    )
    parser.add_argument(
        '--topk', type=positive, default=3, metavar='K', help='classes per image (default: 3)'
    )
    parser.add_argument(
        '--batch-size', type=positive, default=32, metavar='N', help='images at once (default: 32)'
    )
    parser.add_argument(
        '--threshold',
        type=share,
        default=0.5,
        metavar='T',
        help="the box is around what is above T times the map's maximum (default: 0.5)",
    )
    parser.add_argument(
        '--pictures',
        type=count,
        default=50,
        metavar='N',
        help='draw the first N images; predictions.csv has all (default: 50)',
    )
    add_cfg_options(parser)
    return parser


def main() -> None:
    """Run the tool."""
    run_command(make_parser(), 'predict')


if __name__ == '__main__':
    main()
