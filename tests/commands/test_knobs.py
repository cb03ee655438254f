from pathlib import Path

import pytest
from mmengine.config import Config

from mmsemiloc.commands.knobs import apply_knobs, resizes

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.mark.parametrize(
    'knob', [dict(labeled_ratio=0.5), dict(micro_batch_size=4), dict(num_labeled=4)]
)
def test_a_knob_without_a_place_is_refused(knob):
    cfg = Config(
        dict(
            model=dict(type='ImageClassifier', head=dict(num_classes=3)),
            optim_wrapper=dict(type='OptimWrapper'),
            train_dataloader=dict(
                batch_size=2, sampler=dict(type='DefaultSampler'), dataset=dict()
            ),
        )
    )
    with pytest.raises(ValueError, match='has no place in the config'):
        apply_knobs(cfg, knob)
    cfg = apply_knobs(cfg, dict(batch_size=5, num_classes=4))
    assert cfg.train_dataloader.batch_size == 5 and 'batch_size' not in cfg.train_dataloader.sampler
    assert cfg.model.head.num_classes == 4


@pytest.mark.parametrize('name', ['fashion_finetune_fixmatch_mel_nbel', 'elpv_finetune_ce'])
def test_draw_of_labels_and_size_of_images(name):
    file = CONFIGS / f'few_labels/{name}.py'
    cfg = apply_knobs(Config.fromfile(file), dict(per_class=7, label_seed=0, image_size=64))
    for part in cfg.train_dataloader.dataset.labeled, cfg.train_dataloader.dataset.unlabeled:
        assert (part.per_class, part.seed) == (7, 0)
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    assert '224' not in str([loader.dataset for loader in loaders])
    sizes = [step['scale'] for step in resizes([loader.dataset for loader in loaders])]
    assert set(map(tuple, sizes)) == {(64, 64)} and len(sizes) == 4 + ('fixmatch' in name)


def test_knobs_reach_the_images_and_the_network_of_cached_features():
    file = CONFIGS / 'few_labels/fashion_frozen_fixmatch_mel_nbel.py'
    knobs = dict(per_class=7, label_seed=3, image_size=64, data_root='there', pretrained='a.pth')
    cfg = apply_knobs(Config.fromfile(file), knobs)
    train = cfg.train_dataloader.dataset
    assert [
        (part.images.per_class, part.images.seed) for part in (train.labeled, train.unlabeled)
    ] == [(7, 3)] * 2
    assert 'seed' not in train.unlabeled  # that of the views stays

    # The same network everywhere, or features would be of two kinds.
    datasets = [
        train.labeled,
        train.unlabeled,
        cfg.val_dataloader.dataset,
        cfg.test_dataloader.dataset,
    ]
    assert len({str(dataset.model) for dataset in datasets}) == 1
    assert {dataset.model.backbone.init_cfg.checkpoint for dataset in datasets} == {'a.pth'}
    assert {dataset.images.data_root for dataset in datasets} == {'there'}
    sizes = [tuple(step['scale']) for step in resizes(datasets)]
    assert sizes == [(64, 64)] * 5


@pytest.mark.parametrize(
    'knob, match',
    [
        (dict(label_seed=-1), 'label_seed must be a whole number of at least 0, got -1'),
        (dict(per_class=0), 'per_class must be a whole number of at least 1, got 0'),
        (dict(image_size=32), 'image_size=32 has no place in the config'),
        (dict(per_class=2), 'per_class has no place in the config'),
    ],
)
def test_bad_draws_and_sizes(knob, match):
    with pytest.raises(ValueError, match=match):
        apply_knobs(Config.fromfile(CONFIGS / 'digits/digits_ce.py'), knob)
