"""What the head hands to every term of the loss: the predictions of one (micro-)batch."""
from dataclasses import dataclass, field

import torch
from mmengine import dist
from mmpretrain.structures import DataSample
from torch import Tensor

from mmsemiloc.models.cam import class_activation_maps
from mmsemiloc.models.mean_prediction import log_mean_over_ranks, log_sum_predictions
from mmsemiloc.models.numerics import at_least_float32


@dataclass
class WholeBatch:
    """What the micro-batches of one effective batch must know of it.

    Losses are means over the effective batch, and DDP averages gradients over ranks; so the counts are means over ranks.

    Attributes:
        images: T, images a rank in the effective batch, a scalar tensor.
        labeled: R, labelled images a rank in the effective batch, a scalar tensor.
    """
    images: Tensor
    labeled: Tensor
    _log_sum: Tensor | None = field(default=None, repr=False)
    _summed: int = field(default=0, repr=False)
    _log_mean: Tensor | None = field(default=None, repr=False)

    @classmethod
    def of(cls, data_samples: list[DataSample], device: torch.device) -> 'WholeBatch':
        """Count the images of this rank's effective batch, and average the counts over ranks."""
        counts = torch.tensor([len(data_samples), len(labeled_indices(data_samples))], dtype=torch.float64, device=device)
        dist.all_reduce(counts, 'mean')
        return cls(images=counts[0], labeled=counts[1])

    def without_predictions(self) -> 'WholeBatch':
        """The same counts, before any prediction is added."""
        return WholeBatch(images=self.images, labeled=self.labeled)

    def share(self, num_images: int) -> Tensor:
        """Weight of a micro-batch's mean in the effective batch's mean."""
        return num_images / self.images

    def add(self, logits: Tensor) -> None:
        """Add the predictions (T, C) of a micro-batch to the mean prediction, before any loss is computed."""
        assert self._log_mean is None, 'the mean prediction is complete'
        log_sum = log_sum_predictions(logits)
        self._log_sum = log_sum if self._log_sum is None else torch.logaddexp(self._log_sum, log_sum)
        self._summed += len(logits)

    def log_mean(self, logits: Tensor) -> Tensor:
        """log q_bar (C,) of the effective batch over all ranks.

        The first micro-batch whose loss is computed is the last one that is added; later ones are counted already.
        """
        if self._log_mean is None:
            self.add(logits)
            assert self._log_sum is not None
            self._log_mean = log_mean_over_ranks(self._log_sum, self._summed)
        return self._log_mean


@dataclass(frozen=True)
class Predictions:
    """Predictions of one micro-batch, computed once and read by every term.

    Attributes:
        logits: Class scores (T, C).
        features: The map that was pooled into the classifier's input (T, D, H, W); (T, D) if a neck has pooled it.
        fc_weight: Weight of the linear classifier (C, D).
        labeled: Which images have a label, bool (T,).
        cam_target: Maps that the locality penalty reads: 'top1' or 'prob'.
        whole: The effective batch.
    """
    logits: Tensor
    features: Tensor
    fc_weight: Tensor
    labeled: Tensor
    cam_target: str
    whole: WholeBatch

    def cam_and_weight(self) -> tuple[Tensor, Tensor | None]:
        """Maps of the most probable class (T, H, W) and None; for 'prob' those of all (T, C, H, W) and q (T, C).

        The maps of all classes are T C H W floats, 10 MiB for 56 images, 1,000 classes and 7x7 places; the penalty and its
        gradient hold about 6 times as much at once.
        """
        if self.cam_target == 'top1':
            return class_activation_maps(self.features, self.fc_weight, self.logits.argmax(1)), None
        q = at_least_float32(self.logits.detach()).softmax(1)
        return class_activation_maps(self.features, self.fc_weight), q


def labeled_indices(data_samples: list[DataSample]) -> list[int]:
    """Places of the images that have a label."""
    return [i for i, sample in enumerate(data_samples) if 'gt_label' in sample or 'gt_score' in sample]
