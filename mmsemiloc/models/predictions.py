"""What the head hands to every term of the loss: the predictions of one (micro-)batch."""

from dataclasses import dataclass, field, replace

import torch
from mmengine import dist
from mmpretrain.structures import DataSample
from torch import Tensor

from mmsemiloc.models.cam import class_activation_maps
from mmsemiloc.models.mean_prediction import log_mean_over_ranks, log_sum_predictions
from mmsemiloc.models.numerics import at_least_float32
from mmsemiloc.models.views import VIEWS, choose_views, count_views, view_counts, view_table


@dataclass
class WholeBatch:
    """What the micro-batches of one effective batch must know of it.

    Losses are means over the effective batch, and DDP averages gradients over ranks; so the counts
    are means over ranks.

    Attributes:
        counts: Views a rank in the effective batch (2, 16): of unlabelled images, and of labelled
            ones; by number of the view.
    """

    counts: Tensor
    _log_sum: dict[str, Tensor] = field(default_factory=dict, repr=False)
    _summed: dict[str, int] = field(default_factory=dict, repr=False)
    _log_mean: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, counts: Tensor, device: torch.device) -> 'WholeBatch':
        """Average the counts of this rank's effective batch over ranks."""
        counts = counts.to(device)
        dist.all_reduce(counts, 'mean')
        return cls(counts)

    @classmethod
    def of_batch(cls, data: dict, device: torch.device) -> 'WholeBatch':
        """That of a collated batch, before it is preprocessed."""
        return cls.of(count_views(data['data_samples']), device)

    @classmethod
    def of_samples(cls, samples: list[DataSample], device: torch.device) -> 'WholeBatch':
        """That of a preprocessed batch, with a sample for each view."""
        view, labeled, _ = view_table(samples)
        return cls.of(view_counts(view, labeled), device)

    def without_predictions(self) -> 'WholeBatch':
        """The same counts, before any prediction is added."""
        return WholeBatch(self.counts)

    @property
    def labeled(self) -> Tensor:
        """Views of labelled images a rank, a scalar tensor."""
        return self.counts[1].sum()

    def count(self, views: str = 'all', unlabeled: bool = False) -> Tensor:
        """'all', 'weak' or 'strong' views a rank, of all images or the unlabelled ones, a scalar
        tensor.
        """
        return self.counts[: 1 if unlabeled else 2, VIEWS[views]].sum()

    def add(self, logits: Tensor, views: str = 'all') -> None:
        """Add the predictions (n, C) of a micro-batch's ``views`` to their mean, before any loss is
        computed.
        """
        assert views not in self._log_mean, 'the mean prediction is complete'
        log_sum = log_sum_predictions(logits)
        self._log_sum[views] = (
            torch.logaddexp(self._log_sum[views], log_sum) if views in self._log_sum else log_sum
        )
        self._summed[views] = self._summed.get(views, 0) + len(logits)

    def log_mean(self, logits: Tensor, views: str = 'all') -> Tensor:
        """log q_bar (C,) of the ``views`` of the effective batch over all ranks.

        The first micro-batch whose loss is computed is the last one that is added; later ones are
        counted already.
        """
        if views not in self._log_mean:
            self.add(logits, views)
            self._log_mean[views] = log_mean_over_ranks(self._log_sum[views], self._summed[views])
        return self._log_mean[views]


@dataclass(frozen=True)
class Pairs:
    """Each strong view of a micro-batch with the weak view of its image.

    Attributes:
        weak: Places of the weak views (P,), on the CPU; a weak view comes as often as its image has
            strong ones.
        strong: Places of the strong views (P,), on the CPU.
        share: Weight of a mean over these pairs in that over the effective batch, a scalar tensor.
    """

    weak: Tensor
    strong: Tensor
    share: Tensor

    def in_whole(self, mean: Tensor) -> Tensor:
        """A mean over these pairs as its part in that over the effective batch."""
        return mean * self.share.to(mean)


@dataclass(frozen=True)
class Predictions:
    """Predictions of one micro-batch of N views, computed once and read by every term.

    A term returns each value as its part in that of the effective batch (:meth:`in_whole`). Parts
    add up over micro-batches and average over ranks.

    Attributes:
        logits: Class scores (N, C).
        targets: Class scores (N, C) that other predictions may be drawn to, without gradient: if
            there is a teacher its own at :func:`target_places` (weak views), and those of
            ``logits`` elsewhere.
        features: The map that was pooled into the classifier's input (N, D, H, W); (N, D) if a neck
            has pooled it.
        fc_weight: Weight of the linear classifier (C, D).
        labeled: Which views are of labelled images, bool (N,), on the CPU (indexing by it does not
            wait for the device).
        view: Number of each view in its image, from 0, the weak one; (N,), on the CPU.
        image: Number of each view's image (N,), on the CPU.
        cam_target: Maps that the locality penalty reads: 'top1' or 'prob'.
        whole: The effective batch.
        share: Weight of a mean over these N in the mean over the effective batch, a scalar tensor.
    """

    logits: Tensor
    targets: Tensor
    features: Tensor
    fc_weight: Tensor
    labeled: Tensor
    view: Tensor
    image: Tensor
    cam_target: str
    whole: WholeBatch
    share: Tensor

    def in_whole(self, mean: Tensor) -> Tensor:
        """A mean over these views as its part in that over the effective batch."""
        return mean * self.share.to(mean)

    def select(self, views: str = 'all', unlabeled: bool = False) -> 'Predictions':
        """The 'all', 'weak' or 'strong' views alone, of all images or of the unlabelled ones, with
        their share.

        Raises:
            ValueError: If there are none.
        """
        if views == 'all' and not unlabeled:
            return self
        places = choose_views(self.view, self.labeled, views, unlabeled)
        share = len(places) / self.whole.count(views, unlabeled)
        per_view = ('logits', 'targets', 'features', 'labeled', 'view', 'image')
        return replace(
            self, share=share, **{name: getattr(self, name)[places] for name in per_view}
        )

    def pairs(self) -> Pairs:
        """Each strong view with the weak view of its image.

        None if the images of this micro-batch have one view each.

        Raises:
            ValueError: If no image of the effective batch has a strong view.
        """
        strong = (self.view > 0).nonzero().flatten()
        total = self.whole.count('strong')
        if not len(strong) and not total:
            raise ValueError(
                'a term of the loss compares views of an image, but no image of the batch has '
                "several: give the unlabelled images a pipeline with dict(type='MultiView', "
                'num_views=[1, 1], transforms=[weak, strong])'
            )
        first = dict(
            zip(
                self.image[self.view == 0].tolist(),
                (self.view == 0).nonzero().flatten().tolist(),
                strict=True,
            )
        )
        weak = torch.tensor(
            [first[image] for image in self.image[strong].tolist()], dtype=torch.long
        )
        return Pairs(weak, strong, len(strong) / total)

    def cam_and_weight(self) -> tuple[Tensor, Tensor | None]:
        """Maps of the most probable class (N, H, W) and None.

        For 'prob' those of all (N, C, H, W) and q (N, C).

        The maps of all classes are N C H W floats, 10 MiB for 56 images, 1,000 classes and 7x7
        places; the penalty and its gradient hold about 6 times as much at once.
        """
        if self.cam_target == 'top1':
            return class_activation_maps(self.features, self.fc_weight, self.logits.argmax(1)), None
        q = at_least_float32(self.logits.detach()).softmax(1)
        return class_activation_maps(self.features, self.fc_weight), q
