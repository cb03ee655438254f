"""Time of the locality penalty: beside a loop over its groups, and per training step."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.nbel import Setting, build_model, make_batch, make_step
from mmsemiloc.models import LocalityLoss
from mmsemiloc.study.tables import Table

Times = dict[str, list[float]]


def half_spaces(cam: Tensor) -> list[Tensor]:
    """The 2 (H + W) nested half-spaces of maps (..., H, W).

    They are the first and the last k columns, and the first and the last k rows.
    """
    height, width = cam.shape[-2:]
    columns = [part for k in range(1, width + 1) for part in (cam[..., :k], cam[..., width - k :])]
    rows = [
        part for k in range(1, height + 1) for part in (cam[..., :k, :], cam[..., height - k :, :])
    ]
    return columns + rows


def group_by_group(cam: Tensor) -> Tensor:
    """Equation (7) word by word, one norm after the other.

    It is what :func:`mmsemiloc.models.locality_penalty` replaces.
    """
    penalty = cam.new_zeros(cam.shape[:-2])
    for part in half_spaces(cam):
        penalty = penalty + torch.linalg.vector_norm(part, dim=(-2, -1))
    return penalty


def in_turns(
    functions: Mapping[str, Callable[[], object]], turns: int, device: str, calls: int = 1
) -> Times:
    """Seconds of each function in each turn, after one turn to warm up.

    They take turns so that a slower moment of the machine hits all. With several calls in a row the
    time is their mean, and the memory that the function before has given back to the system counts
    less.
    """
    times: Times = {name: [] for name in functions}
    for turn in range(turns + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(calls):
                function()
            if device == 'cuda':
                torch.cuda.synchronize()
            if turn:
                times[name].append((time.perf_counter() - start) / calls)

    return times


def with_backward(loss: Callable[[Tensor], Tensor], cam: Tensor) -> Callable[[], object]:
    """A function that computes a loss of maps and its gradient."""
    return lambda: torch.autograd.grad(loss(cam), cam)


def measure_groups(size: int, images: int, turns: int, device: str) -> Times:
    """Seconds of the penalty of square maps, with its gradient.

    Of the loop, of ours, and of ours in the scale-free form.
    """
    cam = torch.randn(images, size, size, device=device, requires_grad=True)
    losses: dict[str, Callable[[Tensor], Tensor]] = dict(
        loop=lambda cam: group_by_group(cam).mean(),
        ours=LocalityLoss(),
        scale_free=LocalityLoss(scale_free=True),
    )
    return in_turns(
        {name: with_backward(loss, cam) for name, loss in losses.items()}, turns, device, calls=10
    )


def measure_step(setting: Setting, turns: int) -> Times:
    """Seconds of a training step, of the penalty, and of the maps with their penalty.

    The penalty is that of the maps of the same batch, with its gradient with respect to the maps.
    For the maps with their penalty, the gradient is with respect to the features and the
    classifier's weight.
    """
    model: Any = build_model(setting)
    step, batch = make_step(setting, model, 'big'), make_batch(setting, 1)
    with torch.no_grad():
        inputs = model.data_preprocessor(batch, True)['inputs']
        features = model.extract_feat(inputs)[-1]
        labels = model.head((features,)).argmax(1)
        cam = model.head.cam((features,), labels)
    features.requires_grad_()
    loss = LocalityLoss()

    def maps_and_penalty() -> object:
        return torch.autograd.grad(
            loss(model.head.cam((features,), labels)), (features, model.head.fc.weight)
        )

    penalty = with_backward(loss, cam.requires_grad_())
    return in_turns(
        dict(step=lambda: step(batch), penalty=penalty, with_map=maps_and_penalty),
        turns,
        setting.device,
    )


def median_ratio(values: Sequence[float], units: Sequence[float]) -> float:
    """Median of the ratios within each turn."""
    return statistics.median(a / b for a, b in zip(values, units, strict=True))


def microseconds(values: Sequence[float]) -> str:
    """The median."""
    return f'{statistics.median(values) * 1e6:.0f}'


def group_table(times: Mapping[int, Times], images: int) -> Table:
    """One row per size of the map."""
    rows = [
        [
            f'{size}x{size}',
            *(microseconds(values) for values in by_name.values()),
            f'{median_ratio(by_name["loop"], by_name["ours"]):.1f}',
        ]
        for size, by_name in times.items()
    ]
    return Table(
        f'locality penalty of {images} maps with its gradient: medians, and median of the ratios '
        'in the same turn',
        ['map', 'group by group µs', 'ours µs', 'ours, scale-free µs', 'group by group / ours'],
        rows,
    )


def share_table(times: Times, setting: Setting) -> Table:
    """What the penalty takes of a step, without and with the map that it reads."""
    rows = [
        [name, microseconds(times[key]), f'{100 * median_ratio(times[key], times["step"]):.2f}']
        for name, key in (
            ('training step', 'step'),
            ('penalty', 'penalty'),
            ('map and penalty', 'with_map'),
        )
    ]
    return Table(
        f'step of DenseNet-121 with CE + MEL + NBEL, {setting.micro_batch_size} images of '
        f'{setting.image_size} pixels, and the locality penalty of the same images with its '
        'gradient',
        ['part', 'µs', '% of the step'],
        rows,
    )
