"""What the head hands to every term of the loss: the predictions of one micro-batch."""

from dataclasses import dataclass, replace

from torch import Tensor

from mmsemiloc.models.cam import class_activation_maps
from mmsemiloc.models.numerics import at_least_float32
from mmsemiloc.models.views import Selection, Views


@dataclass(frozen=True)
class Predictions:
    """Predictions of one micro-batch of N views, computed once and read by every term.

    Attributes:
        logits: Class scores (N, C).
        targets: Class scores (N, C) that other predictions may be drawn to, without gradient: the
            teacher's at :meth:`Views.taught` if there is a teacher, and those of ``logits``
            elsewhere.
        features: The map that was pooled into the classifier's input (N, D, H, W); (N, D) if a neck
            has pooled it.
        fc_weight: Weight of the linear classifier (C, D).
        views: Which view of which image each row is, and whether that has a label.
        cam_target: Maps that the locality penalty reads: 'top1' or 'prob'.
        mean: log q_bar (C,) of these views over the effective batch; None unless the term that
            reads this object declares ``reads_mean``.
    """

    logits: Tensor
    targets: Tensor
    features: Tensor
    fc_weight: Tensor
    views: Views
    cam_target: str = 'top1'
    mean: Tensor | None = None

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def log_mean(self) -> Tensor:
        """log q_bar (C,), the mean prediction of these views over the effective batch.

        Raises:
            ValueError: If the term has not declared that it reads it.
        """
        if self.mean is None:
            raise ValueError(
                'a term of the loss reads log_mean, the mean prediction of the effective batch, '
                'without declaring it: set reads_mean = True in its class'
            )
        return self.mean

    def at(self, places: Tensor) -> 'Predictions':
        """The predictions of some of the views; the mean is not theirs and goes."""
        per_view = {
            name: getattr(self, name)[places] for name in ('logits', 'targets', 'features', 'views')
        }
        return replace(self, **per_view, mean=None)

    def select(self, views: str = 'all', unlabeled: bool = False) -> 'Predictions':
        """The 'all', 'weak' or 'strong' views alone, of all images or of the unlabelled ones."""
        selection = Selection(views, unlabeled)
        return self if selection == Selection() else self.at(self.views.choose(selection))

    def with_mean(self, log_mean: Tensor) -> 'Predictions':
        """The same with log q_bar (C,) of these views over the effective batch."""
        return replace(self, mean=log_mean)

    def taught(self, places: Tensor, scores: Tensor) -> 'Predictions':
        """The same with a teacher's class scores (P, C) as targets at ``places`` (P,)."""
        index = places.to(self.targets.device)
        return replace(self, targets=self.targets.index_copy(0, index, scores.to(self.targets)))

    def pairs(self) -> 'Pairs':
        """Each strong view with the weak view of its image; none if all images have one view."""
        return Pairs(self, *self.views.pairs())

    def cam_and_weight(self) -> tuple[Tensor, Tensor | None]:
        """Class activation maps that the locality penalty reads, and their weights.

        They hold 10 MiB for 56 images, 1,000 classes and 7x7 places with 'prob'; the penalty and
        its gradient need about 6 times as much.

        Returns:
            For 'top1' the maps of the most probable class (N, H, W), and None. For 'prob' those of
            all classes (N, C, H, W), and q (N, C).
        """
        if self.cam_target == 'top1':
            top1 = self.logits.argmax(1)
            return class_activation_maps(self.features, self.fc_weight, top1), None
        q = at_least_float32(self.logits.detach()).softmax(1)
        return class_activation_maps(self.features, self.fc_weight), q


@dataclass(frozen=True)
class Pairs:
    """The P strong views of a micro-batch, each with the weak view of its image.

    Attributes:
        predictions: Those of all views.
        strong: Places of the strong views (P,), on the CPU; P may be 0.
        weak: Places of the weak view of the image of each (P,), on the CPU. A weak view comes as
            often as its image has strong ones.
    """

    predictions: Predictions
    strong: Tensor
    weak: Tensor

    def __len__(self) -> int:
        return len(self.strong)

    @property
    def logits(self) -> Tensor:
        """Class scores (P, C) of the strong views."""
        return self.predictions.logits[self.strong]

    @property
    def targets(self) -> Tensor:
        """Class scores (P, C) of the weak views, without gradient; a teacher's if there is one."""
        return self.predictions.targets[self.weak]
