from itertools import islice

import numpy as np
import pytest

from benchmarks.memory import in_new_process
from benchmarks.sampler import Sources, measure, mmdet, ours, sampler_table
from mmsemiloc.study.measure import peak_memory_mib


def test_a_large_source_needs_little_memory():
    """At 2 million images: the order is 4 bytes per image, and nothing else grows with them."""
    assert in_new_process(measure, ours, Sources(100, 2_000_000), 64, 5).memory < 40


def grow():
    before = peak_memory_mib()
    np.ones(2**26, np.uint8).sum()
    return peak_memory_mib() - before


def test_memory_is_noticed():
    """Negative control; also in a process that has been larger."""
    np.ones(2**27, np.uint8).sum()
    assert in_new_process(grow) == pytest.approx(64, abs=8)


def test_both_samplers_draw_half_of_a_batch_from_each_source():
    for make in (ours, mmdet):
        batch = list(islice(iter(make(Sources(100, 1000), 8)), 8))
        assert sum(index < 100 for index in batch) == 4 and max(batch) < 1100


def test_table():
    table = sampler_table({'ours': ours}, Sources(10, 2000), 8, repeats=2)
    assert (
        table.rows[0][0] == 'ours'
        and float(table.rows[0][1]) >= 0
        and '2,000 unlabelled' in table.title
    )
