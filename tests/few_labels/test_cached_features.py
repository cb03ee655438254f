"""Frozen features in the runner, against the solver, and what they must not depend on."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset as EngineDataset

from mmsemiloc.datasets import FashionMNIST, SemiSupDataset
from mmsemiloc.datasets.images.errors import UnreadableImageError
from mmsemiloc.few_labels.cached_features import CachedFeatures
from mmsemiloc.few_labels.projection import Projection
from mmsemiloc.few_labels.solver import Solver, train_heads
from mmsemiloc.few_labels.whole_set_loss import Method
from mmsemiloc.registry import DATASETS, MODELS
from mmsemiloc.study.evaluate import evaluate_checkpoint, summarize
from tests.datasets.conftest import save_image
from tests.few_labels.frozen_runs import cached, frozen_config, trained, weights
from tests.few_labels.test_features import MODEL, STRONG, WEAK

pytestmark = pytest.mark.usefixtures('tiny_frozen_runs')


@pytest.fixture
def folder(tmp_path):
    """Two classes of 3 images, and a list of them."""
    lines = []
    for number in range(6):
        save_image(tmp_path / f'images/{number}.png', (40, 36), seed=number)
        lines.append(f'{number}.png {number % 2}')
    (tmp_path / 'list.txt').write_text('\n'.join(lines) + '\n')
    (tmp_path / 'bare.txt').write_text('\n'.join(line.split()[0] for line in lines) + '\n')
    return tmp_path


def files(folder, with_label=True, **kwargs):
    """The config of the images in ``folder``."""
    names = dict(classes=['even', 'odd']) if with_label else dict(with_label=False)
    return dict(
        type='CustomDataset',
        data_root='',
        data_prefix=str(folder / 'images'),
        ann_file=str(folder / ('list.txt' if with_label else 'bare.txt')),
        **names,
        **kwargs,
    )


def features(folder, images=None, cache='cache', **kwargs):
    """CachedFeatures of the images in ``folder``, with two strong views."""
    return DATASETS.build(features_config(folder, images, cache, **kwargs))


def features_config(folder, images=None, cache='cache', **kwargs):
    """The config of :func:`features`."""
    settings = dict(model=MODEL, pipeline=WEAK, strong=STRONG, views=2) | kwargs
    cfg = dict(type='mmsemiloc.CachedFeatures', images=images or files(folder))
    return dict(cfg, cache=str(folder / cache), **settings)


def rows(dataset):
    """All features by the path of their image."""
    infos = [dataset.get_data_info(place) for place in range(len(dataset))]
    return {info['img_path']: info['features'].copy() for info in infos}


def same(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize('name', ['ce', 'mel_nbel', 'fixmatch_mel_nbel'])
def test_the_runner_trains_what_the_solver_trains(tmp_path, name):
    """With all images as unlabelled ones, the labelled ones too, as the solver reads them."""
    steps = 6
    cfg = frozen_config(name, tmp_path, steps, batch_size=30, labeled_ratio=1 / 3)
    cfg.param_scheduler.end = steps + 1
    train = cfg.train_dataloader.dataset
    train.allow_overlap = True
    for key in ('per_class', 'labeled', 'indices', 'seed'):
        train.unlabeled.images.pop(key)
    for term in cfg.model.head.get('terms', {}).values():
        term.threshold = 0.2
    runner = trained(cfg)
    weight, bias = weights(runner)

    # The same features, the labelled ones found by what they are.
    dataset = runner.train_loop.dataloader.dataset
    known, others = (part.datasets[0].rows.values for part in (dataset.labeled, dataset.unlabeled))
    places = [int(np.flatnonzero((others[0] == row).all(1))[0]) for row in known[0]]
    projection = Projection.of(torch.from_numpy(np.concatenate([known[0], others[0]])), dims=8)
    small = projection(torch.from_numpy(others))

    head = cfg.model.head
    terms = {'mel': head.get('loss_mel'), 'nbel': head.get('loss_nbel'), **head.get('terms', {})}
    method = Method(
        {key: dict(term) for key, term in terms.items() if term},
        weight_decay=0,
        views='fixmatch' in name,
    )
    heads = train_heads(
        small, torch.tensor([places]), torch.from_numpy(dataset.labels())[None], 10, method,
        Solver(steps=steps),
    )  # fmt: skip
    torch.testing.assert_close(weight, heads.weight[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(bias, heads.bias[0], rtol=0, atol=1e-4)

    # The comparison would see another weight of a term.
    if name == 'mel_nbel':
        terms = {key: {**term, 'loss_weight': 0.5} for key, term in method.terms.items()}
        other = train_heads(
            small, torch.tensor([places]), torch.from_numpy(dataset.labels())[None], 10,
            Method(terms, weight_decay=0), Solver(steps=steps),
        )  # fmt: skip
        assert (other.weight[0] - weight).abs().max() > 1e-3


def test_a_run_does_not_depend_on_what_was_cached(tmp_path):
    cold = weights(trained(frozen_config('fixmatch_mel_nbel', tmp_path)))
    warm = weights(trained(frozen_config('fixmatch_mel_nbel', tmp_path)))
    assert all(torch.equal(one, two) for one, two in zip(cold, warm, strict=True))


@pytest.mark.slow
def test_a_run_does_not_depend_on_workers(tmp_path):
    expected = weights(trained(frozen_config('fixmatch_mel_nbel', tmp_path)))
    cfg = frozen_config('fixmatch_mel_nbel', tmp_path)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.num_workers = 2
    for dataset in cached(cfg):
        dataset.workers, dataset.cache = 2, str(tmp_path / 'other cache')
    found = weights(trained(cfg))
    assert all(torch.equal(one, two) for one, two in zip(expected, found, strict=True))

    # Negative control: other strong views.
    found = []
    for seed in (1, 2):
        cfg = frozen_config('fixmatch_mel_nbel', tmp_path)
        cfg.train_dataloader.dataset.unlabeled.seed = seed
        cfg.model.head.terms.fixmatch.threshold = 0.0
        found.append(weights(trained(cfg))[0])
    assert not torch.equal(*found)


def test_features_do_not_depend_on_order_workers_or_what_was_there(folder):
    expected = rows(features(folder))
    assert same(expected, rows(features(folder)))  # warm
    assert same(expected, rows(features(folder, cache='two', workers=2)))

    # Some of the images first, then all in another order.
    lines = (folder / 'list.txt').read_text().splitlines()
    images = files(folder)
    images['ann_file'] = str(folder / 'other.txt')
    for chosen in (lines[3:1:-1], lines[::-1]):
        (folder / 'other.txt').write_text('\n'.join(chosen) + '\n')
        found = rows(features(folder, images, cache='three'))
    assert same(expected, found) and list(found) == list(expected)[::-1]


def test_another_seed_gives_other_strong_views_and_the_same_weak_one(folder):
    one, two = rows(features(folder)), rows(features(folder, seed=1))
    for path in one:
        assert np.array_equal(one[path][0], two[path][0])
        assert np.abs(one[path][1:] - two[path][1:]).max() > 1e-3


def test_other_weights_have_a_folder_of_their_own(folder):
    features(folder, views=0)
    assert len(list((folder / 'cache').iterdir())) == 1
    wider = dict(MODEL, backbone=dict(MODEL['backbone'], stem_channels=16))
    features(folder, views=0, model=wider)
    assert len(list((folder / 'cache').iterdir())) == 2


def test_random_numbers_go_on_as_if_nothing_had_happened(folder):
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    before = random.getstate()[1], np.random.get_state()[1].tolist(), torch.get_rng_state()
    features(folder)
    after = random.getstate()[1], np.random.get_state()[1].tolist(), torch.get_rng_state()
    assert before[:2] == after[:2] and torch.equal(before[2], after[2])


def test_samples_of_both_sources(folder):
    """Labelled and unlabelled, in one and in several views, as the preprocessor takes them."""
    known = features(folder, views=0)
    others = features(folder, files(folder, with_label=False))
    dataset = SemiSupDataset(known, others, allow_overlap=True)
    dataset.check(2)
    assert dataset.metainfo['classes'] == ('even', 'odd')
    assert dataset.labels().tolist() == [0, 1, 0, 1, 0, 1]
    assert dataset.labeled_class_counts() == [3, 3] and dataset.num_unlabeled == 6

    first, second = dataset[1], dataset[7]
    assert first['inputs'].shape == (64, 1, 1) and first['data_samples'].gt_label == 1
    assert second['data_samples'].views.shape == (2, 64, 1, 1)
    assert 'gt_label' not in second['data_samples']
    assert first['data_samples'].img_path == second['data_samples'].img_path
    assert torch.equal(first['inputs'], second['inputs'])  # the weak view of the same image

    pre = MODELS.build(dict(type='mmsemiloc.SemiSupDataPreprocessor'))
    items = [first, second]
    batch = pre({key: [item[key] for item in items] for key in first}, training=True)
    assert batch['inputs'].shape == (4, 64, 1, 1)


def test_labels_of_unlabelled_images_do_not_reach_the_model(folder):
    part = features(folder, views=0)
    dataset = SemiSupDataset(part, copy.deepcopy(part), allow_overlap=True)
    assert 'gt_label' in dataset[0]['data_samples']
    assert 'gt_label' not in dataset[6]['data_samples']


def test_copies_and_subsets_share_the_features(folder):
    dataset = features(folder)
    part = dataset.get_subset([4, 1])
    assert part.rows is dataset.rows
    for place, whole in enumerate((4, 1)):
        assert torch.equal(part[place]['inputs'][1], dataset[whole]['inputs'][1])
        assert part[place]['data_samples'].gt_label == dataset[whole]['data_samples'].gt_label
    loaded = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(loaded[3]['inputs'][2], dataset[3]['inputs'][2])
    assert len(features(folder, indices=2)) == 2


def test_folds_of_cross_validation(folder):
    """MMPretrain's folds, as a labelled source and as images to test on."""
    fold = dict(type='KFoldDataset', dataset=features_config(folder, views=0), num_splits=3, seed=0)
    parts = []
    for test_mode in (False, True):
        built = DATASETS.build(dict(fold, fold=1, test_mode=test_mode))
        dataset = SemiSupDataset(built)
        parts.append({dataset[place]['data_samples'].img_path for place in range(len(dataset))})
    assert [len(part) for part in parts] == [4, 2] and not parts[0] & parts[1]


def test_maps_have_the_pooled_features_as_means(folder):
    maps = features(folder, maps=True, views=0, pipeline=large(WEAK))
    pooled = features(folder, views=0, pipeline=large(WEAK))
    assert maps[0]['inputs'].shape == (64, 2, 2)
    torch.testing.assert_close(
        maps[0]['inputs'].mean((1, 2)), pooled[0]['inputs'][:, 0, 0], rtol=1e-2, atol=1e-2
    )
    torch.testing.assert_close(maps.weak_features(), pooled.weak_features(), rtol=1e-2, atol=1e-2)


def large(transforms):
    """The transforms with images of 64 pixels, of which the tiny network makes maps of 2x2."""
    return [dict(step, scale=(64, 64)) if 'scale' in step else step for step in transforms]


def test_locality_reads_cached_maps(tmp_path):
    """The penalty makes maps smaller; without it nothing of them is read."""
    found = {}
    for gamma in (0.0, 5.0):
        cfg = frozen_config('ce', tmp_path, steps=10, image_size=64)
        for dataset in cached(cfg):
            dataset.maps = True
        cfg.model.backbone.pop('dims')
        cfg.model.head.update(
            in_channels=64,
            loss_locality=dict(
                type='mmsemiloc.LocalityLoss', loss_weight=gamma, schedule=dict(begin=0)
            ),
        )
        runner = trained(cfg)
        dataset = runner.train_loop.dataloader.dataset
        maps = torch.stack([dataset[place]['inputs'] for place in range(len(dataset))])
        with torch.no_grad():
            labels = runner.model.head((maps,)).argmax(1)
            found[gamma] = runner.model.head.cam((maps,), labels).square().mean()
        assert maps.shape[1:] == (64, 2, 2)
    assert found[5.0] < 0.9 * found[0.0]


def test_locality_of_pooled_features_is_refused(tmp_path):
    cfg = frozen_config('ce', tmp_path)
    cfg.model.head.loss_locality = dict(type='mmsemiloc.LocalityLoss', loss_weight=1.0)
    with pytest.raises(ValueError, match='the loss cannot be computed: .*maps=True of Cached'):
        trained(cfg)


def test_a_study_reads_frozen_runs(tmp_path):
    """Pooled features have neither pixels nor maps."""
    cfg = frozen_config('ce', tmp_path)
    trained(cfg)
    found = evaluate_checkpoint(cfg, str(tmp_path / 'ce/iter_6.pth'), 'test')
    assert len(found.labels) == 20 and not found.examples.images.any()
    assert summarize(found)['cam_area'] is None and 0 <= summarize(found)['accuracy'] <= 100


class NoImages(EngineDataset):
    """A dataset whose images are neither files nor arrays."""

    def load_data_list(self):
        return [dict(gt_label=0, url='x')]


def test_images_of_an_unknown_kind_are_named(folder):
    with pytest.raises(ValueError, match='NoImages image 0 of 1 .* neither img_path nor img') as e:
        features(folder, NoImages())
    assert '\n' not in str(e.value)


def test_an_unreadable_image_is_named(folder):
    (folder / 'images/3.png').write_bytes(b'no picture')
    match = r'cannot read CustomDataset image 3 of 6 \(.*images/3.png\): no image of a known format'
    with pytest.raises(UnreadableImageError, match=match) as error:
        features(folder)
    assert '\n' not in str(error.value)


def test_maps_of_another_shape_are_refused(folder):
    save_image(folder / 'images/2.png', (80, 36), seed=9)
    match = r'maps of a view of \(3, 40, 36\) have shape \(64, 2, 2\), not \(64, 7, 7\): let'
    with pytest.raises(ValueError, match=match) as error:
        features(folder, maps=True, views=0, pipeline=[WEAK[0], WEAK[2]])
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'options, match',
    [
        (dict(views=-1), 'CachedFeatures: views must be a whole number of at least 0, got -1'),
        (dict(views=16), 'CachedFeatures: views must be below 16, got 16'),
        (dict(strong=()), 'views=2 needs the transforms of them: strong'),
        (dict(seed=1.5), 'CachedFeatures: seed must be a whole number'),
        (dict(workers=-1), 'CachedFeatures: workers must be a whole number'),
    ],
)
def test_bad_arguments(folder, options, match):
    with pytest.raises(ValueError, match=match):
        features(folder, **options)


def test_a_pipeline_of_the_images_would_have_no_effect(folder):
    with pytest.raises(ValueError, match='images has a pipeline, which would have no effect'):
        features(folder, files(folder, pipeline=WEAK))


def test_arrays_are_images_too(tmp_path):
    cfg = frozen_config('ce', tmp_path)
    dataset = DATASETS.build(cfg.train_dataloader.dataset.labeled)
    assert isinstance(dataset, CachedFeatures) and len(dataset) == 10
    images = FashionMNIST(str(tmp_path / 'data'), per_class=1)
    assert dataset.get_gt_labels().tolist() == images.get_gt_labels().tolist()
    assert dataset.metainfo['classes'] == images.metainfo['classes']


def test_a_built_dataset_is_taken_as_it_is(folder):
    built = DATASETS.build(files(folder))
    assert same(rows(features(folder, built)), rows(features(folder)))
