"""The work of tools/benchmark.py."""

import argparse
from collections.abc import Callable

import torch
from mmengine.device import get_device
from rich.console import Console
from rich.progress import Progress

from benchmarks.fit import fit_table, measure_fit
from benchmarks.locality import group_table, measure_groups, measure_step, share_table
from benchmarks.localization import localization_table
from benchmarks.nbel import MODES, Setting, measure_memory, measure_time, memory_table, time_table
from benchmarks.nbel_bias import bias_table
from benchmarks.sampler import Sources, mmdet, ours, sampler_table
from mmsemiloc.study.tables import Table, print_table, write_markdown

SIMULATED_IMAGES = 16384
MAP_SIZES = ((8, 32), (7, 224), (14, 224))  # cells and pixels per side


def describe_device(device: str) -> str:
    """The device's name, or the number of threads on a CPU."""
    return (
        torch.cuda.get_device_name()
        if device == 'cuda'
        else f'CPU, {torch.get_num_threads()} threads'
    )


def run_nbel(args: argparse.Namespace, console: Console) -> list[Table]:
    """Measure."""
    device = get_device()
    # On a CPU, time has to be measured with few pixels, and memory with many, or it is that of
    # PyTorch and the weights.
    time_size, memory_size = ((32, 224), (32, 224)) if device == 'cuda' else ((2, 112), (5, 224))
    for_time, for_memory = (
        Setting(device, args.image_size or pixels, args.micro_batch_size or images, args.amp)
        for images, pixels in (time_size, memory_size)
    )
    console.print(
        f'DenseNet-121, {args.amp or "float32"}, PyTorch {torch.__version__}, '
        f'{describe_device(device)}',
        markup=False,
    )
    cases = len(args.micro_batches) * len(MODES)

    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        memory = progress.add_task('memory', total=cases)
        duration = progress.add_task('time', total=cases * (args.repeats + 1))
        peaks = measure_memory(for_memory, args.micro_batches, lambda: progress.advance(memory))
        times = measure_time(
            for_time, args.micro_batches, args.repeats, lambda: progress.advance(duration)
        )

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

    return [
        sampler_table(
            samplers, Sources(args.labeled, args.unlabeled), args.batch_size, args.repeats
        )
    ]


def run_localization(args: argparse.Namespace, console: Console) -> list[Table]:
    """Measure."""
    return [localization_table(MAP_SIZES, args.maps, args.repeats)]


def run_locality(args: argparse.Namespace, console: Console) -> list[Table]:
    """Measure."""
    device = get_device()
    console.print(f'float32, PyTorch {torch.__version__}, {describe_device(device)}', markup=False)
    setting = Setting(device, args.image_size, args.step_images or (56 if device == 'cuda' else 4))
    times = {size: measure_groups(size, args.images, args.repeats, device) for size in args.sizes}
    return [
        group_table(times, args.images),
        share_table(measure_step(setting, max(args.repeats // 10, 1)), setting),
    ]


def run_fit(args: argparse.Namespace, console: Console) -> list[Table]:
    """Measure."""
    console.print(f'PyTorch {torch.__version__}, {describe_device(get_device())}', markup=False)
    rows = measure_fit(args.images, args.per_class, args.seeds)
    return [fit_table(rows, args.images, args.per_class)]


PARTS = {
    'fit': run_fit,
    'nbel': run_nbel,
    'nbel-bias': run_bias,
    'sampler': run_sampler,
    'localization': run_localization,
    'locality': run_locality,
}


def run(args: argparse.Namespace) -> int:
    """Measure a part, and show its tables."""
    console = Console()
    tables = PARTS[args.part](args, console)
    for table in tables:
        print_table(table, console)
    if args.markdown:
        write_markdown(tables, args.markdown)
    return 0
