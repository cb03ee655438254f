"""The loss of one classifier over all images at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsemiloc.models.cam_cls_head import build_term
from mmsemiloc.models.effective_batch import EffectiveBatch
from mmsemiloc.models.losses.running_mean import RunningMean
from mmsemiloc.models.losses.term import WeightedTerm
from mmsemiloc.models.numerics import log_softmax
from mmsemiloc.models.prediction_sum import PredictionSum
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.models.views import Views


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
    return PredictionSum(log_softmax(logits.detach()).logsumexp(0), len(logits))
