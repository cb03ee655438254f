"""A step whose losses or gradients are not finite: what is nearest to the cause."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from mmengine import dist
from mmengine.logging import MessageHub
from torch import Tensor, nn
from torch.optim import Optimizer

from mmsemiloc.engine.checks.finite import NotFiniteError, first_not_finite, is_finite

SHOWN_IMAGES = 4
MEND = 'mend or remove the image, or the transform that makes it so'
ADVICE = (
    'lower the learning rate (optim_wrapper.optimizer.lr), warm it up, or set '
    'optim_wrapper.clip_grad=dict(max_norm=...)'
)


def loss_terms(log: Mapping) -> dict[str, Tensor]:
    """The values with 'loss' in their names, which MMEngine adds up, without their graph."""

    def joined(value: Tensor | Sequence[Tensor]) -> Tensor:
        if isinstance(value, Tensor):
            return value.detach()
        return torch.stack([part.detach().mean() for part in value])

    return {name: joined(value) for name, value in log.items() if 'loss' in name}


@dataclass(frozen=True)
class Part:
    """A micro-batch: its collated images with their samples, and the values that it logs."""

    data: object
    log: Mapping


@dataclass(frozen=True, order=True)
class Fault:
    """What one rank saw; the least is the nearest to the cause.

    Attributes:
        distance: 0 for an image, 1 for terms of the loss, 2 for a gradient.
        spread: Minus the number of bad terms: where more of them are bad, there the cause is.
        rank: That of the process.
        text: What it is.
        images: Which images it belongs to; empty for an image itself.
        advice: What to do.
    """

    distance: int
    spread: int
    rank: int
    text: str
    images: str
    advice: str


def image_name(sample: Mapping | object) -> str:
    """The path of a data sample's image, or what else there is."""
    get = getattr(sample, 'get', lambda key: None)
    if get('img_path'):
        return str(get('img_path'))
    number = get('sample_idx')
    return 'an image without a path' if number is None else f'image {number} of its dataset'


def samples_of(data: object) -> list:
    """The data samples of a collated batch; none if it has none."""
    return list(data.get('data_samples') or []) if isinstance(data, Mapping) else []


def images_text(data: object) -> str:
    """The images of a batch, the first ones by name."""
    samples = samples_of(data)
    shown = ', '.join(image_name(sample) for sample in samples[:SHOWN_IMAGES])
    rest = len(samples) - SHOWN_IMAGES
    return shown + (f' and {rest} more' if rest > 0 else '')


def pixels_of(data: object) -> list[Sequence[Tensor] | Tensor]:
    """The images of a collated batch, or those of each view where there is a batch of each."""
    inputs = data.get('inputs') if isinstance(data, Mapping) else None
    if not isinstance(inputs, list | tuple | Tensor) or not len(inputs):
        return []
    by_view = not isinstance(inputs, Tensor) and all(
        isinstance(view, Tensor) and view.dim() > 3 for view in inputs
    )
    return list(inputs) if by_view else [inputs]


def bad_image(data: object) -> str | None:
    """The first image of a batch whose pixels or soft label are not finite, in words."""
    samples = samples_of(data)
    batches = pixels_of(data)

    for place, sample in enumerate(samples):
        pixels = [batch[place] for batch in batches if len(batch) == len(samples)]
        if first_not_finite([*pixels, sample.get('views')]) is not None:
            return f'{image_name(sample)}: its pixels are not finite'
        if first_not_finite(sample.get('gt_score')) is not None:
            return f'{image_name(sample)}: its soft label is not finite'

    return None


def bad_terms(log: Mapping) -> list[str]:
    """Terms of the loss that are not finite, with their values; the sum only if no term is bad."""
    values = {name: value for name, value in loss_terms(log).items() if not value.isfinite().all()}
    names = [name for name in values if name != 'loss'] or list(values)
    return [f'{name} is {values[name].sum().item():g}' for name in names]


def bad_gradient(module: nn.Module) -> str:
    """The first parameter whose gradient is not finite, if it is not that of all."""
    named = [(name, p.grad) for name, p in module.named_parameters() if p.grad is not None]
    bad = [name for name, grad in named if not is_finite(grad)]
    if bad and len(bad) < len(named):
        return f'the gradient of {bad[0]} is not finite'
    return 'all gradients are not finite' if bad else 'the norm of all gradients is infinite'


def find_fault(parts: Sequence[Part], module: nn.Module) -> Fault:
    """What is nearest to the cause on this rank, after a step turned out to be bad."""
    rank = dist.get_rank()
    for part in parts:
        image = bad_image(part.data)
        if image is not None:
            return Fault(0, 0, rank, image, '', MEND)

    # A mean over the batch spreads a fault to all micro-batches: look where most terms are bad.
    terms = [(bad_terms(part.log), part.data) for part in parts]
    worst, data = max(terms, key=lambda pair: len(pair[0]), default=([], None))
    weight = first_not_finite(dict(module.named_parameters()))
    text = worst[0] if worst else bad_gradient(module)
    if weight is not None:
        text += f' ({weight} is not finite since the step before)'
    return Fault(1 if worst else 2, -len(worst), rank, text, images_text(data), ADVICE)


def learning_rate(optimizer: Optimizer) -> float:
    """The largest learning rate of all parameter groups; NaN or a negative one goes first."""
    rates = [float(group['lr']) for group in optimizer.param_groups]
    return next((rate for rate in rates if not 0 <= rate < math.inf), max(rates))


def at_step(optimizer: Optimizer) -> str:
    """Where training is."""
    number = MessageHub.get_current_instance().get_info('iter')
    place = '' if number is None else f' at iteration {number + 1}'
    return f'{place} (learning rate {learning_rate(optimizer):g})'


def refuse_bad_step(
    parts: Sequence[Part], module: nn.Module, optimizer: Optimizer, norm: Tensor | None = None
) -> float | None:
    """Stop before an update that would put bad numbers into the model, on all ranks alike.

    It waits for the device once, for all terms and the norm together. All ranks have to call it.

    Args:
        parts: The micro-batches of the step with the terms of their losses.
        module: The model, without a wrapper.
        optimizer: Its optimizer.
        norm: :func:`total_norm` of the gradients; None if it is not to be looked at.

    Returns:
        The norm.

    Raises:
        NotFiniteError: If the learning rate is not finite or below 0, or a term of the loss or the
            norm is not finite. Nothing has been updated but BatchNorm's running statistics, and the
            gradients are cleared.
    """
    rate = learning_rate(optimizer)
    if not 0 <= rate < math.inf:
        raise NotFiniteError(
            f'the learning rate is {rate:g}{at_step(optimizer)}: look at param_scheduler'
        )

    # Zero times a finite number is 0, and NaN otherwise.
    values = [value.flatten() for part in parts for value in loss_terms(part.log).values()]
    values += [] if norm is None else [norm.flatten()]
    if not values:
        return None
    zero = (torch.cat(values) * 0).sum()
    dist.all_reduce(zero, 'sum')
    ok, found = torch.stack([zero, zero if norm is None else norm.to(zero)]).tolist()
    if ok == 0:
        return None if norm is None else found

    # All ranks come here, and say the same.
    faults: list[Fault] = dist.all_gather_object(find_fault(parts, module))
    optimizer.zero_grad()
    fault = min(faults)
    who = f'rank {fault.rank}: ' if len(faults) > 1 else ''
    images = f'; images: {fault.images}' if fault.images else ''
    where = at_step(optimizer)
    raise NotFiniteError(
        f'{who}{fault.text}{where}, so the step was skipped{images}. To go on, {fault.advice}'
    )
