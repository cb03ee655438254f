from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import BatchSampler

from mmsemiloc.datasets import SemiSupSampler, semi_sup_sampler
from mmsemiloc.datasets.semi_sup_sampler import batch_pattern


def make(labeled=12, unlabeled=40, rank=0, world=1, monkeypatch=None, labels=None, **kwargs):
    if monkeypatch:
        monkeypatch.setattr(semi_sup_sampler, 'get_dist_info', lambda: (rank, world))
    dataset = type(
        'Pair',
        (),
        dict(
            num_labeled=labeled,
            num_unlabeled=unlabeled,
            __len__=lambda s: labeled + unlabeled,
            labels=lambda s: labels,
            labeled_class_counts=lambda s: np.bincount(labels),
        ),
    )()
    return SemiSupSampler(dataset, **{'batch_size': 8, 'labeled_ratio': 0.25, 'seed': 3, **kwargs})


def epochs(sampler, number):
    indices = []
    for epoch in range(number):
        sampler.set_epoch(epoch)
        indices += sampler
    return indices


@settings(max_examples=100, deadline=None)
@given(batch=st.integers(2, 60), micro=st.integers(2, 60), ratio=st.floats(0.05, 0.95))
def test_each_micro_batch_has_exactly_the_rounded_share(batch, micro, ratio):
    sizes = [min(micro, batch - start) for start in range(0, batch, micro)]
    if any(round(ratio * m) in (0, m) for m in sizes):
        with pytest.raises(ValueError, match='rounds to'):
            batch_pattern(batch, ratio, micro)
        return
    pattern = batch_pattern(batch, ratio, micro)
    assert len(pattern) == batch
    for start, m in zip(range(0, batch, micro), sizes, strict=True):
        assert sum(pattern[start : start + m]) == round(ratio * m)


@pytest.mark.parametrize('ranks', [1, 2, 4])
def test_global_order_does_not_depend_on_the_number_of_ranks(ranks, monkeypatch):
    samplers = [
        make(rank=r, world=ranks, monkeypatch=monkeypatch, batch_size=32 // ranks)
        for r in range(ranks)
    ]
    batches = [list(BatchSampler(s, 32 // ranks, drop_last=False)) for s in samplers]
    steps = [sum((b[i] for b in batches), []) for i in range(len(batches[0]))]
    single = make(monkeypatch=monkeypatch, batch_size=32)
    assert sum(steps, []) == list(single)
    other = make(monkeypatch=monkeypatch, batch_size=32, seed=4)
    assert sum(steps, []) != list(other)  # negative control


def test_shards_of_one_pass_are_disjoint(monkeypatch):
    shards = [
        list(make(16, 48, rank=r, world=4, monkeypatch=monkeypatch, batch_size=4)) for r in range(4)
    ]
    assert Counter(sum(shards, [])) == Counter(range(64))


@pytest.mark.parametrize('length', ['all', 'labeled', 'unlabeled', 3])
def test_sources_are_used_up_before_they_repeat_also_across_epochs(length):
    indices = epochs(make(labeled=7, unlabeled=29, epoch_length=length), 30)
    for source, size in (
        ([i for i in indices if i < 7], 7),
        ([i - 7 for i in indices if i >= 7], 29),
    ):
        passes = [source[i : i + size] for i in range(0, len(source) - size + 1, size)]
        assert len(passes) > 3
        assert all(sorted(p) == list(range(size)) for p in passes)
        assert len({tuple(p) for p in passes}) > 1  # each pass is shuffled anew


@pytest.mark.parametrize('length, steps', [('all', 7), ('labeled', 6), ('unlabeled', 7), (5, 5)])
def test_epoch_length(length, steps):
    sampler = make(epoch_length=length)  # 12 and 40 images, 2 and 6 a step
    assert len(sampler) == 8 * steps == len(list(sampler))
    assert len(list(BatchSampler(sampler, 8, drop_last=False))) == steps


def test_labels_come_in_the_order_of_the_pattern():
    labeled = [i < 12 for i in make(micro_batch_size=4)]
    assert labeled[:8] == batch_pattern(8, 0.25, 4) == [False, False, False, True] * 2


@pytest.mark.parametrize('consumed', [0, 1, 6, 7, 8, 20])
def test_skip_continues_like_an_uninterrupted_run(consumed):
    whole = epochs(make(), 6)
    sampler = make()
    sampler.skip(consumed * 8)
    # As the iteration loop does it: epochs count from 0 after a resume.
    resumed = list(sampler) + [i for e in (1, 2) for i in (sampler.set_epoch(e), *sampler)[1:]]
    assert resumed == whole[consumed * 8 :][: len(resumed)]


def test_epochs_differ_and_seeds_repeat():
    sampler = make(epoch_length=20)
    assert epochs(sampler, 2) == epochs(make(epoch_length=20), 2)
    assert epochs(sampler, 2)[:160] != epochs(sampler, 2)[160:]


def test_without_shuffling():
    assert list(make(shuffle=False, epoch_length=2)) == [
        12,
        13,
        14,
        0,
        15,
        16,
        17,
        1,
        18,
        19,
        20,
        2,
        21,
        22,
        23,
        3,
    ]


def test_only_labelled_and_only_unlabelled():
    assert max(make(labeled_ratio=1.0)) < 12
    assert min(make(labeled_ratio=0.0)) >= 12
    assert max(make(unlabeled=0, labeled_ratio=1.0)) < 12


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (
            dict(labeled_ratio=0.05),
            'labeled_ratio=0.05 of a .* of 8 images rounds to 0 labelled and 8',
        ),
        (dict(labeled_ratio=0.97), 'rounds to 8 labelled and 0'),
        (dict(labeled_ratio=0.25, micro_batch_size=1), 'of 1 images'),
        (dict(labeled_ratio=1.5), 'between 0 and 1, got 1.5'),
        (dict(labeled=0), 'needs 2 labelled images .* 0 of 40'),
        (dict(unlabeled=0), 'needs 6 unlabelled images'),
        (dict(batch_size=0), 'batch_size=0'),
        (dict(epoch_length='none'), "'none'"),
        (dict(epoch_length=0), 'got 0'),
        (dict(epoch_length='unlabeled', labeled_ratio=1.0), 'has no end'),
    ],
)
def test_impossible_settings(kwargs, match):
    with pytest.raises(ValueError, match=match):
        make(**kwargs)


@pytest.mark.parametrize('ranks', [1, 2])
def test_class_balanced_drawing_of_the_labelled_images(ranks, monkeypatch):
    """Long-tailed labels, of which each class comes equally often in the batch.

    The unlabelled order stays as it is.
    """
    labels = np.array([0] * 9 + [1] * 2 + [2])
    samplers = [
        make(
            rank=r,
            world=ranks,
            monkeypatch=monkeypatch,
            batch_size=8 // ranks,
            class_balanced=True,
            labels=labels,
            epoch_length=9,
        )
        for r in range(ranks)
    ]
    drawn = [i for sampler in samplers for i in sampler]
    assert Counter(labels[i] for i in drawn if i < 12) == {0: 6, 1: 6, 2: 6}
    plain = list(make(monkeypatch=monkeypatch, epoch_length=9))
    assert sorted(i for i in drawn if i >= 12) == sorted(i for i in plain if i >= 12)
    assert Counter(labels[i] for i in plain if i < 12)[0] > 9  # negative control


def test_class_balanced_drawing_needs_each_class():
    with pytest.raises(
        ValueError, match=r'needs a labelled image of each class, but classes \[1\] have none'
    ):
        make(class_balanced=True, labels=np.array([0] * 6 + [2] * 6))


@pytest.mark.parametrize('number', [-8, 3])
def test_bad_skip(number):
    with pytest.raises(ValueError, match=str(number)):
        make().skip(number)
