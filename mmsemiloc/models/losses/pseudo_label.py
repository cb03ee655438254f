"""Pseudo-labels: confident predictions become labels."""

from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from mmsemiloc.models.numerics import at_least_float32, check_number
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.models.views import check_views
from mmsemiloc.registry import MODELS


def check_threshold(threshold: float) -> float:
    """``threshold`` itself.

    Raises:
        ValueError: If it is not between 0 and 1.
    """
    return check_number('threshold', threshold, 0, 1)


def confident_labels(log_probs: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """The most probable class (T,) of log q (T, C), and whether its probability is above
    ``threshold``, bool (T,).

    ``log_probs`` are in float32 or better: rounded to half precision, a probability would cross the
    threshold. Above, not at: with 1 there are no labels, even where a probability is rounded to 1;
    with 0 all images have one.
    """
    confidence, label = log_probs.detach().max(1)
    return label, confidence.exp() > threshold


def cross_entropy_of_confident(cls_score: Tensor, label: Tensor, confident: Tensor) -> Tensor:
    """Mean over all T images of the cross-entropy of the confident ones.

    0, with a gradient of 0, if there are none.

    ``1/T sum_t [confident_t] (-log q_t(label_t))``

    Args:
        cls_score: Logits (T, C).
        label: Classes (T,).
        confident: Which images have a label, bool (T,).
    """
    entropy = F.cross_entropy(at_least_float32(cls_score), label, reduction='none')
    return (entropy * confident).sum() / max(1, len(cls_score))


@MODELS.register_module()
class PseudoLabelLoss(BaseModule):
    """Cross-entropy of unlabelled images with their own most probable class, if it is probable
    enough (Lee 2013).

    Args:
        loss_weight: Weight, at least 0.
        threshold: Probability above which the class counts, from 0 (always) to 1 (never).
        views: Which views of the images: 'all', 'weak' (the first of each image) or 'strong' (the
            others).

    Raises:
        ValueError: If the weight or the threshold is out of range or the views are unknown.
    """

    def __init__(
        self, loss_weight: float = 1.0, threshold: float = 0.95, views: str = 'all'
    ) -> None:
        super().__init__()
        self.loss_weight = check_number('loss_weight', loss_weight, 0)
        self.threshold = check_threshold(threshold)
        self.views = check_views(views)

    def term(self, predictions: Predictions) -> dict[str, Tensor]:
        """``loss_pseudo_label``, and ``pseudo_labeled``, the share (%) of the images that have a
        pseudo-label.
        """
        part = predictions.select(self.views, unlabeled=True)
        label, confident = confident_labels(
            at_least_float32(part.targets).log_softmax(1), self.threshold
        )
        loss = self.loss_weight * cross_entropy_of_confident(part.logits, label, confident)
        return {
            'loss_pseudo_label': part.in_whole(loss),
            'pseudo_labeled': part.in_whole(100 * confident.float().mean()),
        }
