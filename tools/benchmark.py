"""Measure what parts of the package cost."""
import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.device import get_device
from rich.console import Console
from rich.progress import Progress

from _cli import Parser, positive
from mmsemiloc.study.benchmark_locality import group_table, measure_groups, measure_step, share_table
from mmsemiloc.study.benchmark_localization import localization_table
from mmsemiloc.study.benchmark_nbel import MODES, Setting, measure_memory, measure_time, memory_table, time_table
from mmsemiloc.study.benchmark_sampler import Sources, mmdet, ours, sampler_table
from mmsemiloc.study.nbel_bias import bias_table
from mmsemiloc.study.tables import Table, write_markdown

NBEL = """\
Time and peak memory of an optimizer step of DenseNet-121 with CE + MEL + NBEL over M micro-batches: plain accumulation
(NBEL of each micro-batch alone: another objective), the exact NBEL over all of them, and all images as one big batch.
Ratios are taken within the run, which takes some minutes on 2 CPU cores."""

BIAS = """\
How much of MEL the NBEL of batches of T images cancels, as a share of NBEL's weight, for simulated predictions of C classes:
with one image NBEL is -MEL, and it takes more images than classes until that has faded. Takes half a minute."""
SIMULATED_IMAGES = 16384
SAMPLER = """\
Time to the first batch, memory, and time of later batches of SemiSupSampler, beside MMDetection's MultiSourceSampler if it
is installed. Takes seconds."""
LOCALITY = """\
Time of the locality penalty with its gradient, beside a loop over its groups (the half-spaces of equation 7) with one norm
each, and as a share of a training step of DenseNet-121. Takes a minute or two on 2 CPU cores."""
LOCALIZATION = """\
Time to find the boxes of a class activation map at all 1,000 thresholds of the published evaluation (MaxBoxAcc), once with
contours of every binarisation and once of the different ones, which gives the same boxes. Takes a minute."""
MAP_SIZES = ((8, 32), (7, 224), (14, 224))  # cells and pixels a side


def make_parser() -> Parser:
    """The arguments of this tool: one subcommand a part."""
    parser = Parser('Measure what parts of the package cost, in ratios within one run.', 'python tools/benchmark.py nbel')
    parts = parser.add_subparsers(dest='part', required=True, metavar='PART')
    nbel = parts.add_parser('nbel', help='exact NBEL over micro-batches', description=NBEL,
                            example='python tools/benchmark.py nbel --micro-batches 1 8 --image-size 64 --repeats 3')
    nbel.add_argument('--micro-batches', nargs='+', type=positive, default=[1, 2, 4, 8, 16, 32], metavar='M',
                      help='(default: 1 2 4 8 16 32)')
    nbel.add_argument('--micro-batch-size', type=positive, metavar='N',
                      help='images (default: 32 on a GPU; on a CPU 2 for the time, 5 for the memory)')
    nbel.add_argument('--image-size', type=positive, metavar='N',
                      help='pixels (default: 224; on a CPU 112 for the time)')
    nbel.add_argument('--repeats', type=positive, default=3, metavar='N', help='turns of all modes (default: 3)')
    nbel.add_argument('--amp', choices=('float16', 'bfloat16'), help='mixed precision (default: none)')
    nbel.set_defaults(run=run_nbel)
    bias = parts.add_parser('nbel-bias', help='what the NBEL of small batches does to MEL', description=BIAS,
                            example='python tools/benchmark.py nbel-bias --classes 200 --batch-sizes 64 256')
    bias.add_argument('--classes', nargs='+', type=positive, default=[10, 100, 1000], metavar='C',
                      help='(default: 10 100 1000)')
    bias.add_argument('--batch-sizes', nargs='+', type=positive, default=[2**i for i in range(13)], metavar='T',
                      help='powers of two (default: 1 2 4 ... 4096)')
    bias.set_defaults(run=run_bias)
    sampler = parts.add_parser('sampler', help='drawing from millions of images', description=SAMPLER,
                               example='python tools/benchmark.py sampler --unlabeled 1000000')
    sampler.add_argument('--labeled', type=positive, default=64_000, metavar='N', help='images (default: 64,000)')
    sampler.add_argument('--unlabeled', type=positive, default=14_000_000, metavar='N', help='images (default: 14,000,000)')
    sampler.add_argument('--batch-size', type=positive, default=64, metavar='N', help='images (default: 64)')
    sampler.add_argument('--repeats', type=positive, default=5, metavar='N', help='turns of all samplers (default: 5)')
    sampler.set_defaults(run=run_sampler)
    localization = parts.add_parser('localization', help='boxes of maps at all thresholds', description=LOCALIZATION,
                                    example='python tools/benchmark.py localization --maps 50')
    localization.add_argument('--maps', type=positive, default=20, metavar='N', help='random maps a size (default: 20)')
    localization.add_argument('--repeats', type=positive, default=5, metavar='N', help='turns of both ways (default: 5)')
    localization.set_defaults(run=run_localization)
    locality = parts.add_parser('locality', help='the locality penalty', description=LOCALITY,
                                example='python tools/benchmark.py locality --sizes 7 28 --repeats 20')
    locality.add_argument('--sizes', nargs='+', type=positive, default=[7, 14, 28], metavar='N',
                          help='sides of the maps (default: 7 14 28)')
    locality.add_argument('--images', type=positive, default=56, metavar='N', help='maps at once (default: 56)')
    locality.add_argument('--step-images', type=positive, metavar='N',
                          help='images of a training step (default: 56 on a GPU, 4 on a CPU)')
    locality.add_argument('--image-size', type=positive, default=224, metavar='N', help='pixels (default: 224)')
    locality.add_argument('--repeats', type=positive, default=50, metavar='N',
                          help='turns; a tenth of them for the training step (default: 50)')
    locality.set_defaults(run=run_locality)
    for part in (nbel, bias, sampler, locality, localization):
        part.add_argument('--markdown', type=Path, metavar='FILE', help='write the tables as Markdown to FILE')
    return parser


def describe_device(device: str) -> str:
    """The device's name, or the number of threads on a CPU."""
    return torch.cuda.get_device_name() if device == 'cuda' else f'CPU, {torch.get_num_threads()} threads'


def run_nbel(args: argparse.Namespace, console: Console) -> list[Table]:
    """Measure."""
    device = get_device()
    # On a CPU, time has to be measured with few pixels, and memory with many, or it is that of PyTorch and the weights.
    time_size, memory_size = ((32, 224), (32, 224)) if device == 'cuda' else ((2, 112), (5, 224))
    for_time, for_memory = (Setting(device, args.image_size or pixels, args.micro_batch_size or images, args.amp)
                            for images, pixels in (time_size, memory_size))
    console.print(f'DenseNet-121, {args.amp or "float32"}, PyTorch {torch.__version__}, {describe_device(device)}',
                  markup=False)
    cases = len(args.micro_batches) * len(MODES)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        memory = progress.add_task('memory', total=cases)
        duration = progress.add_task('time', total=cases * (args.repeats + 1))
        peaks = measure_memory(for_memory, args.micro_batches, lambda: progress.advance(memory))
        times = measure_time(for_time, args.micro_batches, args.repeats, lambda: progress.advance(duration))
    return [time_table(for_time, times), memory_table(for_memory, peaks)]


def run_bias(args: argparse.Namespace, console: Console) -> list[Table]:
    """Simulate."""
    return [bias_table(args.batch_sizes, args.classes, SIMULATED_IMAGES)]


def run_sampler(args: argparse.Namespace, console: Console) -> list[Table]:
    """Measure."""
    samplers: dict[str, Callable] = {'SemiSupSampler': ours}
    try:
        mmdet(Sources(8, 8), 4)
        samplers['MultiSourceSampler'] = mmdet
    except ImportError as error:
        console.print(f'MultiSourceSampler left out: {error}', markup=False)
    return [sampler_table(samplers, Sources(args.labeled, args.unlabeled), args.batch_size, args.repeats)]


def run_localization(args: argparse.Namespace, console: Console) -> list[Table]:
    """Measure."""
    return [localization_table(MAP_SIZES, args.maps, args.repeats)]


def run_locality(args: argparse.Namespace, console: Console) -> list[Table]:
    """Measure."""
    device = get_device()
    console.print(f'float32, PyTorch {torch.__version__}, {describe_device(device)}', markup=False)
    setting = Setting(device, args.image_size, args.step_images or (56 if device == 'cuda' else 4))
    times = {size: measure_groups(size, args.images, args.repeats, device) for size in args.sizes}
    return [group_table(times, args.images),
            share_table(measure_step(setting, max(args.repeats // 10, 1)), setting)]


def main() -> None:
    """Run the tool."""
    parser = make_parser()
    args = parser.parse_args()
    console = Console()
    with parser.one_line_errors():
        tables = args.run(args, console)
    for table in tables:
        console.print(table.to_rich())
    if args.markdown:
        write_markdown(tables, args.markdown)


if __name__ == '__main__':
    main()
