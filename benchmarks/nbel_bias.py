"""What the NBEL of small batches does that the exact one does not: it cancels a part of MEL."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mmsemiloc.models import mean_entropy, negative_batch_entropy
from mmsemiloc.study.tables import Table


def simulated_logits(num_images: int, num_classes: int, seed: int = 0) -> Tensor:
    """Logits (N, C) of fairly confident predictions (mean confidence 0.7).

    Half of the classes are 3 times as frequent as the others.
    """
    generator = torch.Generator().manual_seed(seed)
    shares = torch.ones(num_classes)
    shares[: num_classes // 2] = 3
    labels = torch.multinomial(shares, num_images, replacement=True, generator=generator)
    logits = torch.randn(num_images, num_classes, generator=generator)
    logits[torch.arange(num_images), labels] += torch.tensor(float(num_classes)).log() + 1.5
    return logits


def mel_cancelled(logits: Tensor, batch_size: int) -> float:
    """Share s of MEL that the mean of the NBELs of small batches cancels.

    The gradient of that mean is closest to a g_all - s g_mel. Here g_all is the gradient of the
    NBEL of all images and g_mel that of MEL, both with respect to the logits; a and s solve the
    least-squares problem. An image is 1/T of its own mean prediction, so pushing that mean apart
    pushes the image's own prediction apart: s = 1 for T = 1, where J_B = -J_M, and s = 0 for one
    batch of all images.

    Args:
        logits: Logits (N, C).
        batch_size: T, a divisor of N.

    Raises:
        ValueError: If T does not divide N.
    """
    if len(logits) % batch_size:
        raise ValueError(f'batch_size must divide the {len(logits)} images, got {batch_size}')

    def gradient(loss: Callable[[Tensor], Tensor]) -> Tensor:
        leaf = logits.detach().clone().requires_grad_()
        return torch.autograd.grad(loss(leaf), leaf)[0].double()

    batches = len(logits) // batch_size
    small = gradient(
        lambda x: torch.stack([negative_batch_entropy(part) for part in x.chunk(batches)]).mean()
    )
    basis = [gradient(negative_batch_entropy), -gradient(mean_entropy)]
    products = torch.tensor([[(a * b).sum() for b in (*basis, small)] for a in basis])
    return torch.linalg.solve(products[:, :2], products[:, 2])[1].item()


def bias_table(batch_sizes: Sequence[int], classes: Sequence[int], num_images: int) -> Table:
    """:func:`mel_cancelled` for simulated predictions.

    One row per batch size, one column per number of classes.
    """
    columns = {c: simulated_logits(num_images, c) for c in classes}
    rows = [
        [str(t), *(f'{mel_cancelled(logits, t):.2f}' for logits in columns.values())]
        for t in batch_sizes
    ]
    return Table(
        f'MEL that the NBEL of batches of T images cancels, as a share of beta ({num_images} '
        'simulated predictions)',
        ['T', *(f'C = {c}' for c in classes)],
        rows,
    )
