"""Measure what parts of the package cost."""

import sys
from pathlib import Path
from typing import Any

from _cli import Parser, positive, run_command

ROOT = Path(__file__).resolve().parents[1]
NBEL = """\
Time and peak memory of an optimizer step of DenseNet-121 with CE + MEL + NBEL over M micro-batches:
plain accumulation (NBEL of each micro-batch alone: another objective), the exact NBEL over all of
them, and all images as one big batch. Ratios are taken within the run, which takes some minutes on
2 CPU cores."""
BIAS = """\
How much of MEL the NBEL of batches of T images cancels, as a share of NBEL's weight, for simulated
predictions of C classes: with one image NBEL is -MEL, and it takes more images than classes until
that has faded. Takes half a minute."""
SAMPLER = """\
Time to the first batch, memory, and time of later batches of SemiSupSampler, beside MMDetection's
MultiSourceSampler if it is installed. Takes seconds."""
LOCALITY = """\
Time of the locality penalty with its gradient, beside a loop over its groups (the half-spaces of
equation 7) with one norm each, and as a share of a training step of DenseNet-121. Takes a minute or
two on 2 CPU cores."""
LOCALIZATION = """\
Time to find the boxes of a class activation map at all 1,000 thresholds of the published evaluation
(MaxBoxAcc), once with contours of every binarisation and once of the different ones, which gives
the same boxes. Takes a minute."""

FIT = """\
Time, memory and accuracy of tools/fit.py on Fashion-MNIST, written as PNG files. The first seed
computes the features, the others find them. Needs Debian's package dataset-fashion-mnist. Takes
some minutes on 2 CPU cores."""


def add_nbel(parts: Any) -> Parser:
    """The arguments of the exact NBEL."""
    parser = parts.add_parser(
        'nbel',
        help='exact NBEL over micro-batches',
        description=NBEL,
        example='python tools/benchmark.py nbel --micro-batches 1 8 --image-size 64 --repeats 3',
    )
    parser.add_argument(
        '--micro-batches',
        nargs='+',
        type=positive,
        default=[1, 2, 4, 8, 16, 32],
        metavar='M',
        help='(default: 1 2 4 8 16 32)',
    )
    parser.add_argument(
        '--micro-batch-size',
        type=positive,
        metavar='N',
        help='images (default: 32 on a GPU; on a CPU 2 for the time, 5 for the memory)',
    )
    parser.add_argument(
        '--image-size',
        type=positive,
        metavar='N',
        help='pixels (default: 224; on a CPU 112 for the time)',
    )
    parser.add_argument(
        '--repeats', type=positive, default=3, metavar='N', help='turns of all modes (default: 3)'
    )
    parser.add_argument(
        '--amp', choices=('float16', 'bfloat16'), help='mixed precision (default: none)'
    )
    return parser


def add_bias(parts: Any) -> Parser:
    """The arguments of what small batches do to MEL."""
    parser = parts.add_parser(
        'nbel-bias',
        help='what the NBEL of small batches does to MEL',
        description=BIAS,
        example='python tools/benchmark.py nbel-bias --classes 200 --batch-sizes 64 256',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        type=positive,
        default=[10, 100, 1000],
        metavar='C',
        help='(default: 10 100 1000)',
    )
    parser.add_argument(
        '--batch-sizes',
        nargs='+',
        type=positive,
        default=[2**i for i in range(13)],
        metavar='T',
        help='powers of two (default: 1 2 4 ... 4096)',
    )
    return parser


def add_sampler(parts: Any) -> Parser:
    """The arguments of drawing images."""
    parser = parts.add_parser(
        'sampler',
        help='drawing from millions of images',
        description=SAMPLER,
        example='python tools/benchmark.py sampler --unlabeled 1000000',
    )
    parser.add_argument(
        '--labeled', type=positive, default=64_000, metavar='N', help='images (default: 64,000)'
    )
    parser.add_argument(
        '--unlabeled',
        type=positive,
        default=14_000_000,
        metavar='N',
        help='images (default: 14,000,000)',
    )
    parser.add_argument(
        '--batch-size', type=positive, default=64, metavar='N', help='images (default: 64)'
    )
    parser.add_argument(
        '--repeats',
        type=positive,
        default=5,
        metavar='N',
        help='turns of all samplers (default: 5)',
    )
    return parser


def add_localization(parts: Any) -> Parser:
    """The arguments of boxes of maps."""
    parser = parts.add_parser(
        'localization',
        help='boxes of maps at all thresholds',
        description=LOCALIZATION,
        example='python tools/benchmark.py localization --maps 50',
    )
    parser.add_argument(
        '--maps', type=positive, default=20, metavar='N', help='random maps per size (default: 20)'
    )
    parser.add_argument(
        '--repeats', type=positive, default=5, metavar='N', help='turns of both ways (default: 5)'
    )
    return parser


def add_locality(parts: Any) -> Parser:
    """The arguments of the locality penalty."""
    parser = parts.add_parser(
        'locality',
        help='the locality penalty',
        description=LOCALITY,
        example='python tools/benchmark.py locality --sizes 7 28 --repeats 20',
    )
    parser.add_argument(
        '--sizes',
        nargs='+',
        type=positive,
        default=[7, 14, 28],
        metavar='N',
        help='sides of the maps (default: 7 14 28)',
    )
    parser.add_argument(
        '--images', type=positive, default=56, metavar='N', help='maps at once (default: 56)'
    )
    parser.add_argument(
        '--step-images',
        type=positive,
        metavar='N',
        help='images of a training step (default: 56 on a GPU, 4 on a CPU)',
    )
    parser.add_argument(
        '--image-size', type=positive, default=224, metavar='N', help='pixels (default: 224)'
    )
    parser.add_argument(
        '--repeats',
        type=positive,
        default=50,
        metavar='N',
        help='turns; a tenth of them for the training step (default: 50)',
    )
    return parser


def add_fit(parts: Any) -> Parser:
    """The arguments of fit on Fashion-MNIST."""
    parser = parts.add_parser(
        'fit',
        help='fit on photographs with few labels',
        description=FIT,
        example='python tools/benchmark.py fit --images 1000 --per-class 4 --seeds 0',
    )
    parser.add_argument(
        '--images', type=positive, default=5200, metavar='N', help='files (default: 5200)'
    )
    parser.add_argument(
        '--per-class',
        type=positive,
        default=20,
        metavar='N',
        help='labels of each class, at least 2 (default: 20)',
    )
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[0, 1, 2], metavar='SEED', help='(default: 0 1 2)'
    )
    return parser


def make_parser() -> Parser:
    """The arguments of this tool: one subcommand per part."""
    parser = Parser(
        'Measure what parts of the package cost, in ratios within one run.',
        'python tools/benchmark.py nbel',
    )
    parts = parser.add_subparsers(dest='part', required=True, metavar='PART')

    for add in (add_nbel, add_bias, add_sampler, add_localization, add_locality, add_fit):
        add(parts).add_argument(
            '--markdown', type=Path, metavar='FILE', help='write the tables as Markdown to FILE'
        )
    return parser


def main() -> None:
    """Run the tool."""
    parser = make_parser()
    if not (ROOT / 'benchmarks').is_dir():
        parser.parse_args()
        parser.error('the benchmarks are not installed: run this tool in a clone of the repository')
    sys.path.insert(0, str(ROOT))
    run_command(parser, 'command', room='benchmarks')


if __name__ == '__main__':
    main()
