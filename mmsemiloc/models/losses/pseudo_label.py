"""Pseudo-labels: confident predictions become labels."""

from torch import Tensor

from mmsemiloc.models.losses.term import Term, Values
from mmsemiloc.models.numerics import at_least_float32, check_number, log_softmax
from mmsemiloc.models.predictions import Predictions
from mmsemiloc.registry import MODELS


def check_threshold(threshold: float) -> float:
    """``threshold`` itself.

    Raises:
        ValueError: If it is not between 0 and 1.
    """
    return check_number('threshold', threshold, 0, 1)


def confident_labels(log_probs: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """The most probable class (T,) of log q (T, C), and whether it is probable enough, bool (T,).

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
    log_probs = log_softmax(at_least_float32(cls_score))
    entropy = -log_probs.gather(1, label[:, None])[:, 0]
    return (entropy * confident).sum() / max(1, len(cls_score))


@MODELS.register_module()
class PseudoLabelLoss(Term):
    """Cross-entropy of unlabelled images with their own most probable class (Lee 2013).

    It counts if it is probable enough:
    ``1/U sum_u [max q_u > threshold] (-log q_u(argmax q_u))`` over U views of unlabelled images;
    with a teacher, q in the brackets is the teacher's.

    Args:
        loss_weight: Weight, at least 0.
        threshold: Probability above which the class counts, from 0 (always) to 1 (never).
        views: Views of the images: 'all', 'weak' (the first of each image) or 'strong' (the
            others).
        schedule: When the weight rises; see :class:`Schedule`.

    Raises:
        ValueError: If the weight, the threshold or the schedule is out of range, or the views are
            unknown.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        threshold: float = 0.95,
        views: str = 'all',
        schedule: dict | None = None,
    ) -> None:
        super().__init__(loss_weight, schedule, views, unlabeled=True)
        self.threshold = check_threshold(threshold)

    def compute(self, predictions: Predictions) -> Values:
        """``loss_pseudo_label``, and the share (%) of the images that have a pseudo-label."""
        log_probs = log_softmax(at_least_float32(predictions.targets))
        label, confident = confident_labels(log_probs, self.threshold)
        return {
            'loss_pseudo_label': cross_entropy_of_confident(predictions.logits, label, confident),
            'pseudo_labeled': 100 * confident.float().mean(),
        }
