"""Time and memory of an optimizer step with NBEL.

Of plain accumulation, of the exact form, and of one big batch.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample
from torch import nn

from benchmarks.memory import TensorMemory
from mmsemiloc.registry import MODELS, OPTIM_WRAPPERS
from mmsemiloc.study.tables import Table

MODES = ('plain', 'exact', 'big')


@dataclass(frozen=True)
class Setting:
    """What is measured: DenseNet-121 with CE + MEL + NBEL, half of the images labelled.

    Attributes:
        device: 'cpu' or 'cuda'.
        image_size: Height and width of the images.
        micro_batch_size: Images per micro-batch.
        amp: None, 'float16' or 'bfloat16'.
        num_classes: C.
    """

    device: str
    image_size: int
    micro_batch_size: int
    amp: str | None = None
    num_classes: int = 1000

    def __str__(self) -> str:
        return f'micro-batches of {self.micro_batch_size} images of {self.image_size} pixels'


def build_model(setting: Setting) -> nn.Module:
    """DenseNet-121 in training mode."""
    init_default_scope('mmpretrain')
    model = MODELS.build(
        dict(
            type='mmsemiloc.SemiSupClassifier',
            data_preprocessor=dict(mean=[128] * 3, std=[64] * 3, num_classes=setting.num_classes),
            backbone=dict(type='DenseNet', arch='121'),
            head=dict(
                type='mmsemiloc.CAMClsHead',
                num_classes=setting.num_classes,
                in_channels=1024,
                loss_mel=dict(type='mmsemiloc.MeanEntropyLoss'),
                loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss'),
            ),
        )
    )
    model.to(setting.device).train()
    return model


def make_batch(setting: Setting, micro_batches: int) -> dict:
    """Random images as a dataloader hands them out, every other one labelled."""
    count = micro_batches * setting.micro_batch_size
    images = torch.randint(
        0, 256, (count, 3, setting.image_size, setting.image_size), dtype=torch.uint8
    )
    samples = [
        DataSample().set_gt_label(i % setting.num_classes) if i % 2 == 0 else DataSample()
        for i in range(count)
    ]
    return dict(inputs=images, data_samples=samples)


def make_step(setting: Setting, model: nn.Module, mode: str) -> Callable[[dict], object]:
    """A function that runs one optimizer step on a batch in one of :data:`MODES`."""
    micro = None if mode == 'big' else setting.micro_batch_size
    wrapper = OPTIM_WRAPPERS.build(
        dict(
            type='mmsemiloc.AmpAccumOptimWrapper' if setting.amp else 'mmsemiloc.AccumOptimWrapper',
            optimizer=torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9),
            micro_batch_size=micro,
            nbel_batch_size=micro if mode == 'plain' else None,
            **(dict(dtype=setting.amp) if setting.amp else {}),
        )
    )
    return lambda batch: model.train_step(batch, wrapper)


def too_large(setting: Setting, micro_batches: int, mode: str) -> bool:
    """Whether one big batch would need more than about 4 GiB, which a laptop may not have."""
    pixels = micro_batches * setting.micro_batch_size * setting.image_size**2
    return setting.device == 'cpu' and mode == 'big' and pixels > 32 * 224**2


def seconds(setting: Setting, step: Callable[[dict], object], batch: dict) -> float | None:
    """Duration of one step; None if the device's memory does not suffice."""
    start = time.perf_counter()
    try:
        step(batch)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None

    if setting.device == 'cuda':
        torch.cuda.synchronize()

    return time.perf_counter() - start


def measure_time(
    setting: Setting,
    micro_batches: list[int],
    repeats: int,
    progress: Callable[[], None] = lambda: None,
) -> dict[tuple[int, str], list[float | None]]:
    """Durations of all modes, which take turns so that a slower minute of the machine hits all.

    One step each to warm up.

    Returns:
        For each number of micro-batches and mode, ``repeats`` seconds.
    """
    model = build_model(setting)
    steps = {mode: make_step(setting, model, mode) for mode in MODES}
    times: dict[tuple[int, str], list[float | None]] = {
        (m, mode): [] for m in micro_batches for mode in MODES
    }

    for m in micro_batches:
        batch = make_batch(setting, m)
        for turn in range(repeats + 1):
            for mode in MODES:
                value = (
                    None if too_large(setting, m, mode) else seconds(setting, steps[mode], batch)
                )
                if turn:
                    times[m, mode].append(value)
                progress()

    return times


def peak_mib(setting: Setting, micro_batches: int, mode: str) -> float | None:
    """Most memory (MiB) of tensors in a step, with the weights; None if it is :func:`too_large`.

    Without the batch that the dataloader made; on a GPU what PyTorch allocates.
    """
    if too_large(setting, micro_batches, mode):
        return None

    model = build_model(setting)
    step, batch = make_step(setting, model, mode), make_batch(setting, micro_batches)
    if setting.device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
        return (
            None
            if seconds(setting, step, batch) is None
            else torch.cuda.max_memory_allocated() / 2**20
        )

    with TensorMemory(
        counted=(*model.parameters(), *model.buffers()), ignored=[batch['inputs']]
    ) as memory:
        step(batch)

    return memory.peak / 2**20


def measure_memory(
    setting: Setting, micro_batches: list[int], progress: Callable[[], None] = lambda: None
) -> dict[tuple[int, str], float | None]:
    """:func:`peak_mib` of all modes."""
    peaks = {}
    for m in micro_batches:
        for mode in MODES:
            peaks[m, mode] = peak_mib(setting, m, mode)
            progress()
    return peaks


def cost_model(micro_batches: int) -> float:
    """(4 M - 1) / (3 M), the expected time of the exact form as a ratio to plain accumulation.

    All M micro-batches but one take one more forward pass, and a backward pass costs two of them.
    """
    return (4 * micro_batches - 1) / (3 * micro_batches)


def ratio(values: list[float | None], units: list[float | None]) -> str:
    """Median of the ratios within each turn, or what is missing."""
    if None in values or None in units:
        return 'too large'
    return f'{statistics.median(a / b for a, b in zip(values, units, strict=True)):.2f}'


def time_table(setting: Setting, times: dict[tuple[int, str], list[float | None]]) -> Table:
    """One row per number of micro-batches M: plain seconds, and the others' ratio to them."""
    rows = []
    for m in dict.fromkeys(m for m, _ in times):
        plain = times[m, 'plain']
        rows.append(
            [
                str(m),
                'too large' if None in plain else f'{statistics.median(plain):.3f}',  # type: ignore[type-var]
                ratio(times[m, 'exact'], plain),
                f'{cost_model(m):.2f}',
                ratio(times[m, 'big'], plain),
            ]
        )

    return Table(
        f'time of a step, {setting}: median of the ratios to plain accumulation in the same turn',
        ['M', 'plain s', 'exact / plain', '(4M-1)/(3M)', 'one big batch / plain'],
        rows,
    )


def memory_table(setting: Setting, peaks: dict[tuple[int, str], float | None]) -> Table:
    """One row per number of micro-batches M: peak memory of each mode.

    As a ratio to that of plain accumulation at the first M.
    """
    first = next(m for m, _ in peaks)
    unit = peaks[first, 'plain']
    rows = [
        [str(m), *(ratio([peaks[m, mode]], [unit]) for mode in MODES)]
        for m in dict.fromkeys(m for m, _ in peaks)
    ]
    return Table(
        f'peak memory of a step, {setting}: ratios to plain accumulation at M = {first}'
        f'{"" if unit is None else f" ({unit:.0f} MiB)"}',
        ['M', 'plain', 'exact', 'one big batch'],
        rows,
    )
