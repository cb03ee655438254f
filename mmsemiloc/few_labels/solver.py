"""Many linear classifiers on the same frozen features, trained at once with the terms of the loss.

Cross-validation trains hundreds of classifiers of some thousand weights each. One after the other
they would keep the interpreter busy and not the processor, so they are trained side by side. The
losses are those of the registered terms, over all images at once: NBEL needs no accumulation here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.nn import functional as F

from mmsemiloc.models.cam_cls_head import build_term
from mmsemiloc.models.effective_batch import EffectiveBatch
from mmsemiloc.models.losses.running_mean import RunningMean
from mmsemiloc.models.losses.term import WeightedTerm
from mmsemiloc.models.prediction_sum import PredictionSum
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.models.views import Views

SCORES_AT_ONCE = 4_000_000  # class scores of all classifiers that are trained side by side


@dataclass(frozen=True)
class Method:
    """What a linear classifier is trained with.

    Attributes:
        terms: Configs of the terms beside cross-entropy by their names, as ``CAMClsHead(terms=)``
            takes them.
        weight_decay: lambda of ``lambda ||W - W_0||^2``, at least 0.
        views: Whether the strong views take part.
        teacher: Weight of the present classifier in the teacher's running mean, above 0 and at most
            1; None without a teacher. The teacher is the result then.
        ce_weight: Weight of cross-entropy.
    """

    terms: Mapping[str, dict] = field(default_factory=dict)
    weight_decay: float = 1e-3
    views: bool = False
    teacher: float | None = None
    ce_weight: float = 1.0


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


def rows_of(labeled: int, images: int, views: bool) -> Views:
    """The rows of a batch: labelled images, all images, and a strong view of all images."""
    image = torch.cat([torch.arange(labeled), labeled + torch.arange(images)])
    number = torch.zeros(labeled + images, dtype=torch.long)
    if views:
        image = torch.cat([image, labeled + torch.arange(images)])
        number = torch.cat([number, torch.ones(images, dtype=torch.long)])
    known = torch.arange(len(number)) < labeled
    return Views(number=number, labeled=known, image=image)


class WholeSetLoss:
    """The weighted loss of one classifier over all images, as ``torch.vmap`` takes it.

    Args:
        method: The terms.
        labeled: Number of labelled images.
        images: Number of all images.
    """

    def __init__(self, method: Method, labeled: int, images: int) -> None:
        self.method, self.labeled = method, labeled
        self.terms = {name: build_term(name, dict(cfg)) for name, cfg in method.terms.items()}
        self.views = rows_of(labeled, images, method.views)
        self.pairs = self.views.pairs()
        self.batch = EffectiveBatch.of(self.views, torch.device('cpu'))

        # Running means of the terms: each classifier has its own.
        self.means = [
            module
            for term in self.terms.values()
            for module in term.modules()
            if isinstance(module, RunningMean)
        ]

    def set_time(self, step: int, total: int) -> None:
        """Take the weights that the schedules have at a step."""
        for term in self.terms.values():
            term.set_time(step, total)

    def __call__(
        self,
        logits: Tensor,
        targets: Tensor,
        labels: Tensor,
        weight: Tensor,
        features: Tensor,
        past: list[Tensor],
    ) -> tuple[Tensor, list[Tensor]]:
        """The loss of one classifier, and the running means of its terms.

        Args:
            logits: Class scores of all rows (R, C).
            targets: Those that predictions are drawn to (R, C).
            labels: Classes of the labelled images (L,).
            weight: Weight of the classifier (C, D).
            features: Features of all rows, or maps (R, D, H, W), for the locality penalty.
            past: Running means before this step; empty at the first one.
        """
        for place, mean in enumerate(self.means):
            mean.log_past = past[place] if past else None

        active: list[WeightedTerm] = [term for term in self.terms.values() if term.loss_weight]
        predictions = Predictions(logits, targets, features, weight, self.views)
        selections = {s for s in (term.mean_selection() for term in active) if s is not None}
        chosen = {s: predictions.select(s.views, s.unlabeled).logits for s in selections}
        batch = self.batch.with_means([{s: sum_of(scores) for s, scores in chosen.items()}])

        loss = self.method.ce_weight * F.cross_entropy(logits[: self.labeled], labels)
        for term in active:
            values = term.losses(predictions, batch)
            loss = loss + sum(value for name, value in values.items() if 'loss' in name)
        return loss, [mean.log_past for mean in self.means if mean.log_past is not None]


def sum_of(logits: Tensor) -> PredictionSum:
    """The sum of predictions on this machine; under ``torch.vmap`` ranks do not talk."""
    return PredictionSum(logits.detach().log_softmax(1).logsumexp(0), len(logits))


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
    rows = torch.zeros(()) if maps is None else torch.cat([maps[labeled[0]], maps])
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
