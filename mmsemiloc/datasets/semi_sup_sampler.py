"""Sampler that gives every micro-batch of every rank the same number of labelled images."""

import math
from collections.abc import Iterator

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmsemiloc.datasets.draws import Draw
from mmsemiloc.datasets.semi_sup_dataset import SemiSupDataset
from mmsemiloc.datasets.streams import BalancedPasses, ShuffledPasses
from mmsemiloc.registry import DATA_SAMPLERS


def labeled_per_batch(batch_size: int, labeled_ratio: float) -> int:
    """R = round(ratio * T) labelled images in a batch of T.

    Raises:
        ValueError: If the ratio is not a share, or asks for both kinds of images but the batch has
            room for one.
    """
    if not 0 <= labeled_ratio <= 1:
        raise ValueError(f'labeled_ratio must be between 0 and 1, got {labeled_ratio}')

    labeled = round(labeled_ratio * batch_size)
    if 0 < labeled_ratio < 1 and labeled in (0, batch_size):
        raise ValueError(
            f'labeled_ratio={labeled_ratio} of a (micro-)batch of {batch_size} images rounds to '
            f'{labeled} labelled and {batch_size - labeled} unlabelled: enlarge the batch or '
            'change the ratio'
        )
    return labeled


def batch_pattern(
    batch_size: int, labeled_ratio: float, micro_batch_size: int | None = None
) -> list[bool]:
    """Which places of a rank's batch are labelled ones, spread evenly within each micro-batch.

    Place p of a micro-batch of m images with r labelled ones is labelled if floor((p + 1) r / m) >
    floor(p r / m). So as long as r / m stays the same, cutting a batch into smaller ones (for more
    ranks) does not change the order of places.
    """
    size = micro_batch_size or batch_size
    pattern = []
    for start in range(0, batch_size, size):
        m = min(size, batch_size - start)
        r = labeled_per_batch(m, labeled_ratio)
        pattern += [(p + 1) * r // m > p * r // m for p in range(m)]
    return pattern


@DATA_SAMPLERS.register_module()
class SemiSupSampler(Sampler):
    """Draws batches with a fixed share of labelled images.

    It is for a stock ``BatchSampler`` with ``drop_last=False``.

    Every micro-batch of m images on every rank has exactly round(labeled_ratio * m) labelled ones.
    Each source is drawn without replacement until it is used up, then shuffled anew, also across
    epochs: an epoch is only a length. The order is a function of the seed and the position alone,
    and each index remembers both, as the seed of its transforms; see :class:`Draw`. Ranks take
    consecutive blocks of the global batch, so the global order does not depend on their number as
    long as the global batch and the rounded shares are the same.

    Args:
        dataset: A :class:`SemiSupDataset`.
        batch_size: Images per rank and optimizer step, T / ranks; must be the dataloader's
            ``batch_size``.
        labeled_ratio: R/T, from 0 (no labels) to 1 (labelled images only).
        micro_batch_size: Images per micro-batch, if ``AccumOptimWrapper`` splits the batch.
        epoch_length: Steps per epoch: 'all' for (S+U)/T, 'labeled' for S/R, 'unlabeled' for
        U/(T-R),
            rounded up, or a number.
        seed: Seed of the order; None for a random one that all ranks share.
        shuffle: Whether to shuffle; otherwise both sources are passed through in order.
        class_balanced: Whether the labelled images are drawn class by class, so that each class
            comes equally often, however many images it has; see :class:`BalancedPasses`.

    Raises:
        ValueError: If the ratio is impossible for the batch, a source that it needs is empty, or a
            class has no labelled image to be balanced with.
    """

    def __init__(
        self,
        dataset: SemiSupDataset,
        batch_size: int,
        labeled_ratio: float,
        micro_batch_size: int | None = None,
        epoch_length: str | int = 'all',
        seed: int | None = None,
        shuffle: bool = True,
        class_balanced: bool = False,
    ) -> None:
        if batch_size < 1 or (micro_batch_size is not None and micro_batch_size < 1):
            raise ValueError(
                f'batch_size={batch_size} and micro_batch_size={micro_batch_size} must be at least '
                '1'
            )

        self.rank, self.world_size = get_dist_info()
        self.batch_size, self.micro_batch_size = batch_size, micro_batch_size
        self.pattern = batch_pattern(batch_size, labeled_ratio, micro_batch_size)

        # By whether the source is the labelled one: its images, and those per batch of this rank.
        self.sizes = {True: dataset.num_labeled, False: dataset.num_unlabeled}
        self.counts = {source: self.pattern.count(source) for source in (True, False)}
        for source, name in ((True, 'labelled'), (False, 'unlabelled')):
            if self.counts[source] and not self.sizes[source]:
                raise ValueError(
                    f'labeled_ratio={labeled_ratio} needs {self.counts[source]} {name} images in a '
                    f'batch of {batch_size}, but the dataset has 0 of {len(dataset)}'
                )

        self.steps = self._steps(epoch_length, labeled_ratio)
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.labels = self._labels_of_all_classes(dataset) if class_balanced else None
        self.epoch = self._skipped_epochs = self._skipped_samples = 0

    @staticmethod
    def _labels_of_all_classes(dataset: SemiSupDataset) -> np.ndarray:
        """Class of each labelled image, once every class has one."""
        empty = [i for i, count in enumerate(dataset.labeled_class_counts()) if not count]
        if empty:
            raise ValueError(
                'class_balanced=True needs a labelled image of each class, but classes '
                f'{empty[:10]} have none'
            )
        return dataset.labels()

    def _streams(self) -> dict[bool, ShuffledPasses | BalancedPasses]:
        """The endless order of each source."""
        streams: dict[bool, ShuffledPasses | BalancedPasses] = {
            source: ShuffledPasses(size, (self.seed, int(source)) if self.shuffle else None)
            for source, size in self.sizes.items()
        }
        if self.labels is not None:
            streams[True] = BalancedPasses(self.labels, (self.seed, 1) if self.shuffle else None)
        return streams

    def _steps(self, epoch_length: str | int, labeled_ratio: float) -> int:
        """Optimizer steps per epoch."""
        if isinstance(epoch_length, int) and epoch_length > 0:
            return epoch_length

        # Images to pass through, and how many of them a batch of this rank has.
        images = {
            'all': (sum(self.sizes.values()), self.batch_size),
            'labeled': (self.sizes[True], self.counts[True]),
            'unlabeled': (self.sizes[False], self.counts[False]),
        }
        if epoch_length not in images:
            raise ValueError(
                "epoch_length must be 'all', 'labeled', 'unlabeled' or a positive number, got "
                f'{epoch_length!r}'
            )

        total, per_batch = images[epoch_length]
        if not per_batch:
            raise ValueError(
                f'epoch_length={epoch_length!r} has no end: labeled_ratio={labeled_ratio} puts 0 '
                f'such images into a batch of {self.batch_size}'
            )
        return math.ceil(total / (per_batch * self.world_size))

    def __len__(self) -> int:
        """Images per epoch on this rank."""
        return self.steps * self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Start the next iteration at ``epoch``, counted from where :meth:`skip` went."""
        self.epoch = epoch
        self._skipped_samples = 0

    def skip(self, num_samples: int) -> None:
        """Continue after ``num_samples`` images of this rank (for a resume).

        They are counted from the beginning of training.

        Raises:
            ValueError: If the number is negative or does not end with a batch.
        """
        if num_samples < 0 or num_samples % self.batch_size:
            raise ValueError(
                f'skip needs a multiple of batch_size={self.batch_size} that is at least 0, got '
                f'{num_samples}'
            )
        self._skipped_epochs, self._skipped_samples = divmod(num_samples, len(self))

    def __iter__(self) -> Iterator[Draw]:
        """Indices of this rank's images from the current position to the end of the epoch."""
        step = (self.epoch + self._skipped_epochs) * self.steps
        step += self._skipped_samples // self.batch_size

        streams = self._streams()
        while True:
            yield from self._batch(step, streams)
            step += 1
            if step % self.steps == 0:
                return

    def _batch(
        self, step: int, streams: dict[bool, ShuffledPasses | BalancedPasses]
    ) -> Iterator[Draw]:
        """This rank's indices of one optimizer step, counted from the beginning of training."""
        block = step * self.world_size + self.rank
        drawn = {
            source: iter(streams[source].draw(block * count, count))
            for source, count in self.counts.items()
        }
        for place, source in enumerate(self.pattern, block * self.batch_size):
            index = next(drawn[source]) + (0 if source else self.sizes[True])
            yield Draw(index, self.seed, place)
