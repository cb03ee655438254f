"""Time and memory of drawing batches from millions of images."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from torch.utils.data import Sampler

from benchmarks.memory import in_new_process
from mmsemiloc.datasets import SemiSupSampler
from mmsemiloc.study.measure import peak_memory_mib
from mmsemiloc.study.tables import Table


class Sources:
    """The sizes that samplers read of a dataset with a labelled and an unlabelled source."""

    def __init__(self, num_labeled: int, num_unlabeled: int) -> None:
        self.num_labeled, self.num_unlabeled = num_labeled, num_unlabeled
        self.datasets = [range(num_labeled), range(num_unlabeled)]
        self.cumulative_sizes = [num_labeled, num_labeled + num_unlabeled]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


@dataclass(frozen=True)
class Cost:
    """What drawing batches took.

    Attributes:
        first: Seconds to the first batch.
        memory: MiB that the process grew by.
        batch: Seconds of each later batch.
    """

    first: float
    memory: float
    batch: float


def ours(sources: Sources, batch_size: int) -> Sampler:
    """``SemiSupSampler``."""
    return SemiSupSampler(sources, batch_size, labeled_ratio=0.5, seed=0)  # type: ignore[arg-type]


def mmdet(sources: Sources, batch_size: int) -> Sampler:
    """The nearest relative in MMDetection."""
    from mmdet.datasets.samplers import MultiSourceSampler

    return MultiSourceSampler(sources, batch_size, source_ratio=[1, 1], seed=0)


def measure(
    make: Callable[[Sources, int], Sampler], sources: Sources, batch_size: int, batches: int = 200
) -> Cost:
    """Cost of a sampler in this process."""
    make(Sources(8, 8), 4)  # imports
    before, start = peak_memory_mib(), time.perf_counter()
    indices = iter(make(sources, batch_size))
    list(islice(indices, batch_size))
    first = time.perf_counter() - start
    list(islice(indices, batches * batch_size))
    return Cost(first, peak_memory_mib() - before, (time.perf_counter() - start - first) / batches)


def sampler_table(
    samplers: Mapping[str, Callable[[Sources, int], Sampler]],
    sources: Sources,
    batch_size: int,
    repeats: int,
) -> Table:
    """One row per sampler, medians over turns in which each runs in a process of its own."""
    costs: dict[str, list[Cost]] = {name: [] for name in samplers}
    for _ in range(repeats):
        for name, make in samplers.items():
            costs[name].append(in_new_process(measure, make, sources, batch_size))

    rows = [
        [
            name,
            *(
                f'{statistics.median(getattr(cost, field) for cost in values) * factor:.{digits}f}'
                for field, factor, digits in (('first', 1, 2), ('memory', 1, 0), ('batch', 1e6, 0))
            ),
        ]
        for name, values in costs.items()
    ]
    title = (
        f'batches of {batch_size} from {sources.num_labeled:,} labelled and '
        f'{sources.num_unlabeled:,} unlabelled images'
    )
    return Table(title, ['sampler', 'first batch s', 'memory MiB', 'later batches µs'], rows)
