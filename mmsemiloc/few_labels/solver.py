"""Many linear classifiers on the same frozen features, trained at once with the terms of the loss.

Cross-validation trains hundreds of classifiers of some thousand weights each. One after the other
they would keep the interpreter busy and not the processor, so they are trained side by side. The
losses are those of the registered terms, over all images at once: NBEL needs no accumulation here.
"""

from dataclasses import dataclass

import torch
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.nn import functional as F

from mmsemiloc.few_labels.whole_set_loss import Method, WholeSetLoss

SCORES_AT_ONCE = 4_000_000  # class scores of all classifiers that are trained side by side


@dataclass(frozen=True)
class Solver:
    """How long and how fast classifiers are trained.

    Attributes:
        steps: Steps of Adam.
        lr: Learning rate of the weights at the start; it falls linearly to 0. That of the biases is
            a fifth.
        scale: Norm of the weight of each class at the start.
    """

    steps: int = 100
    lr: float = 0.1
    scale: float = 12.0


@dataclass(frozen=True)
class Heads:
    """K linear classifiers: weights (K, C, D) and biases (K, C)."""

    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Class scores (K, N, C) of features (N, D) that all share, or (K, N, D)."""
        if features.dim() == 3:
            return torch.einsum('knd,kcd->knc', features, self.weight) + self.bias[:, None]
        count, classes, dims = self.weight.shape
        scores = features @ self.weight.reshape(count * classes, dims).T
        return scores.view(len(features), count, classes).transpose(0, 1) + self.bias[:, None]


def class_means(features: Tensor, labels: Tensor, num_classes: int, scale: float) -> Tensor:
    """Weights (K, C, D) at the start: the mean labelled features of each class, of norm ``scale``.

    A class without a labelled image starts at 0.

    Args:
        features: Labelled features (K, L, D).
        labels: Their classes (K, L).
        num_classes: C.
        scale: Norm of each weight.
    """
    members = F.one_hot(labels, num_classes).to(features)
    sums = torch.einsum('klc,kld->kcd', members, features)
    return scale * F.normalize(sums / members.sum(1)[..., None].clamp_min(1), dim=2)


def train_heads(
    features: Tensor,
    labeled: Tensor,
    labels: Tensor,
    num_classes: int,
    method: Method,
    solver: Solver = Solver(),
    maps: Tensor | None = None,
) -> Heads:
    """Train K linear classifiers, which differ in the images whose label they know.

    Each minimises ``w J_C + sum_i w_i J_i + lambda ||W - W_0||^2``: J_C over its labelled images,
    the terms J_i over all images of ``features``, with exact means. Nothing is drawn at random.

    Args:
        features: Features of all images (1 + V, N, D): the weak view, then V strong ones, of which
            each step takes the next.
        labeled: Places of the labelled images of each classifier (K, L).
        labels: Their classes (K, L).
        num_classes: C.
        method: What they are trained with.
        solver: How long.
        maps: Maps (N, D, H, W) of the weak views, for a locality penalty; features are their means.

    Raises:
        ValueError: If a term needs strong views and there are none, or a loss is not finite.
    """
    init_default_scope('mmsemiloc')
    if method.views and len(features) < 2:
        raise ValueError('the method reads strong views, but features has only weak ones (1, N, D)')
    if method.views and maps is not None:
        raise ValueError('maps are of the weak views alone: the method must not read strong ones')

    # As many side by side as fit into memory; with maps, rows differ from one to the next.
    count, images = len(labeled), features.size(1)
    per_head = (images * (2 if method.views else 1) + labeled.size(1)) * num_classes
    at_once = 1 if maps is not None else max(1, SCORES_AT_ONCE // per_head)

    parts = [
        train_some(
            features, labeled[start : start + at_once], labels[start : start + at_once],
            num_classes, method, solver, maps,
        )
        for start in range(0, count, at_once)
    ]  # fmt: skip
    return Heads(torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts]))


def train_some(
    features: Tensor,
    labeled: Tensor,
    labels: Tensor,
    num_classes: int,
    method: Method,
    solver: Solver,
    maps: Tensor | None,
) -> Heads:
    """:func:`train_heads` of as many classifiers as fit into memory."""
    weak, known = features[0], features[0][labeled]
    start = class_means(known, labels, num_classes, solver.scale)
    weight = start.clone().requires_grad_()
    bias = start.new_zeros(start.shape[:2]).requires_grad_()
    rates = {'weight': solver.lr, 'bias': solver.lr / 5}
    optimizer = torch.optim.Adam([{'params': [weight]}, {'params': [bias]}], lr=solver.lr)

    heads, teacher = Heads(weight, bias), Heads(start.clone(), torch.zeros_like(bias))
    loss = WholeSetLoss(method, labeled.size(1), images=len(weak))
    # Without a locality penalty no term looks at features.
    number = len(loss.views.number)
    rows = torch.zeros(1).expand(number) if maps is None else torch.cat([maps[labeled[0]], maps])
    every = torch.vmap(loss, in_dims=(0, 0, 0, 0, None, 0))
    past: list[Tensor] = []

    for step in range(solver.steps):
        for group, rate in zip(optimizer.param_groups, rates.values(), strict=True):
            group['lr'] = rate * (1 - step / solver.steps)
        loss.set_time(step, solver.steps)

        # Scores of the labelled images, of all weak views and of the next strong ones.
        parts = [known, weak]
        if method.views:
            parts.append(features[1 + step % (len(features) - 1)])
        logits = torch.cat([heads.logits(part) for part in parts], 1)
        targets = logits.detach()
        if method.teacher is not None:
            taught = teacher.logits(weak)
            place = known.size(1)
            targets = torch.cat([targets[:, :place], taught, targets[:, place + len(weak) :]], 1)

        values, past = every(logits, targets, labels, weight, rows, past)
        total = values.sum() + method.weight_decay * (weight - start).square().sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()

        if method.teacher is not None:
            with torch.no_grad():
                for mean, value in ((teacher.weight, weight), (teacher.bias, bias)):
                    mean.lerp_(value, method.teacher)

    if not bool(total.isfinite()):
        raise ValueError(f'a loss of {sorted(method.terms)} is not finite: lower its weight')
    result = heads if method.teacher is None else teacher
    return Heads(result.weight.detach(), result.bias.detach())
