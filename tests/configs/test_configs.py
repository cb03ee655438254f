from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsemiloc.commands.common import load_config
from mmsemiloc.commands.knobs import apply_knobs
from mmsemiloc.registry import DATASETS, MODELS
from mmsemiloc.study import with_length
from tests.models.test_semi_sup_classifier import scores

CONFIGS = Path(__file__).parents[2] / 'configs'
TRAINABLE = sorted(p for p in CONFIGS.rglob('*.py') if not {'_base_', 'transfer'} & set(p.parts))
BACKBONE_IS_A_VARIABLE = sorted((CONFIGS / 'imagenet').rglob('imagenet_*.py'))


def tiny_digits(name, tmp_path, steps=4, **options):
    """A config of configs/digits cut down to a few steps and images."""
    cfg = with_length(Config.fromfile(next((CONFIGS / 'digits').rglob(f'{name}.py'))), steps)
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path / name),
            'train_cfg.val_interval': steps,
            'train_dataloader.sampler.epoch_length': steps,
            'default_hooks.checkpoint.interval': steps,
            'train_dataloader.dataset.labeled.num_images': 40,
            'val_dataloader.dataset.num_images': 20,
            'vis_backends': [],
            'visualizer.vis_backends': [],
            **options,
        }
    )
    cfg.train_dataloader.batch_size = cfg.train_dataloader.sampler.batch_size = min(
        64, cfg.train_dataloader.batch_size
    )
    if cfg.train_dataloader.dataset.get('unlabeled'):
        cfg.train_dataloader.dataset.unlabeled.update(first=40, num_images=100)
    return cfg


def test_there_are_the_promised_configs():
    names = {p.stem for p in TRAINABLE}
    assert {
        'densenet_mel_nbel_loc',
        'densenet_mel_nbel_loc_14x14',
        'digits_ce',
        'digits_ce_mel',
        'digits_ce_mel_nbel',
        'digits_ce_loc',
        'digits_full',
        'digits_all_labels',
    } <= names
    assert len(names) == len(TRAINABLE), 'mim finds configs by their base name'


@pytest.mark.parametrize('path', TRAINABLE, ids=lambda p: p.stem)
def test_config_parses_builds_and_has_a_docstring_with_its_command(path):
    assert f'configs/{path.relative_to(CONFIGS)}' in path.read_text().split('"""')[1]
    cfg = Config.fromfile(path)
    model = MODELS.build(
        {
            **cfg.model,
            'data_preprocessor': cfg.model.get('data_preprocessor') or cfg.data_preprocessor,
        }
    )
    sampler = cfg.train_dataloader.sampler
    assert sampler.batch_size == cfg.train_dataloader.batch_size
    model.backbone.eval()
    if 'CachedMaps' in cfg.model.backbone.type:  # features come from the data set
        assert model.head.in_channels == (model.backbone.dims or model.backbone.channels)
        return
    pixels = 224 if cfg.model.backbone.type == 'SwinTransformer' else 32  # its windows have to fit
    assert model.head.in_channels == model.backbone(torch.zeros(1, 3, pixels, pixels))[-1].size(1)


@pytest.mark.parametrize('path', BACKBONE_IS_A_VARIABLE, ids=lambda path: path.stem)
def test_only_the_network_and_the_folder_follow_the_backbone(path, monkeypatch):
    """The variable is read, its network fits the head, and two runs do not share a folder."""
    assert 'BACKBONE=resnet50' in path.read_text().split('"""')[1]
    found = {}
    for name, kind in (('densenet161', 'DenseNet'), ('resnet50', 'ResNet')):
        if name == 'densenet161':
            monkeypatch.delenv('BACKBONE', raising=False)  # the default
        else:
            monkeypatch.setenv('BACKBONE', name)
        cfg = load_config(str(path), ('model',))
        assert cfg.model.backbone.type == kind
        assert cfg.work_dir == f'work_dirs/{path.stem}_{name}'

        backbone = MODELS.build(cfg.model.backbone)
        backbone.eval()
        maps = backbone(torch.zeros(1, 3, 32, 32))
        assert cfg.model.head.in_channels == maps[-1].size(1)

        rest = cfg.to_dict()
        del rest['model']['backbone'], rest['model']['head']['in_channels'], rest['work_dir']
        found[name] = rest
    assert found['densenet161'] == found['resnet50']


def test_all_configs_of_which_the_backbone_is_a_variable_are_known():
    with_variable = {path for path in TRAINABLE if '$BACKBONE' in path.read_text()}
    assert with_variable == set(BACKBONE_IS_A_VARIABLE)


def test_14x14_config_has_the_weights_of_the_flagship_and_finer_maps():
    models = [
        MODELS.build({**cfg.model, 'data_preprocessor': cfg.data_preprocessor})
        for cfg in (
            Config.fromfile(CONFIGS / path)
            for path in ('densenet_mel_nbel_loc.py', 'imagenet/densenet_mel_nbel_loc_14x14.py')
        )
    ]
    shapes = [{key: value.shape for key, value in model.state_dict().items()} for model in models]
    assert shapes[0] == shapes[1]
    sizes = []
    for model in models:
        model.backbone.eval()
        with torch.no_grad():
            sizes.append(
                model.head.cam(model.backbone(torch.zeros(1, 3, 224, 224)), torch.tensor([3])).shape
            )
    assert sizes == [(1, 7, 7), (1, 14, 14)]


def tiny_imagenet(name, folder, tmp_path, **options):
    """An ImageNet config cut down to two steps of 4 images in micro-batches of 2, with all terms at
    once.
    """
    cfg = load_config(
        CONFIGS / f'{name}.py',
        ('model', 'train_dataloader'),
        {
            'data_root': str(folder),
            'batch_size': 4,
            'micro_batch_size': 2,
            'visualizer.vis_backends': [],
            'train_dataloader.sampler.epoch_length': 2,
            'default_hooks.logger.interval': 1,
            'default_hooks.health.interval': 1,
            **options,
        },
        work_dir=str(tmp_path),
    )
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    return force_terms(cfg)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['densenet_mel_nbel_loc', 'imagenet/densenet_mel_nbel_loc_14x14'])
def test_imagenet_configs_run_on_an_imagenet_folder(name, imagenet_folder, tmp_path):
    cfg = tiny_imagenet(name, imagenet_folder, tmp_path, **{'max_epochs': 1})
    runner = Runner.from_cfg(cfg)
    before = runner.model.head.fc.weight.detach().clone()
    runner.train()
    assert runner.iter == 2 and not torch.equal(runner.model.head.fc.weight, before)
    assert runner.optim_wrapper.optimizer.param_groups[0]['initial_lr'] == pytest.approx(
        0.7 * 4 / 1792
    )
    logged = runner.message_hub.log_scalars
    for key in (
        'loss_ce',
        'loss_mel',
        'loss_nbel',
        'loss_locality',
        'acc_labeled',
        'confidence',
        'batch_entropy',
        'classes_used',
        'cam_area',
        'weight_nbel',
    ):
        assert np.isfinite(logged[f'train/{key}'].current()), key
    assert 'val/accuracy/top1' in logged and 'val/accuracy/top5' in logged


METHODS = [
    path.stem.removeprefix('imagenet_') for path in (CONFIGS / 'imagenet/methods').glob('*.py')
]
TERMS = {
    'pseudo_label': 'pseudo_label',
    'transform': 'transform',
    'mean_teacher': 'consistency',
    'fixmatch': 'fixmatch',
}


def test_the_best_recipe_is_a_method():
    names = ('best', 'methods/digits_mean_teacher_full')
    best, method = (Config.fromfile(CONFIGS / f'digits/{name}.py').to_dict() for name in names)
    assert best == method


def test_each_method_is_there_with_and_without_the_penalties():
    assert set(METHODS) == {'ce', *TERMS, *(f'{method}_full' for method in TERMS)}
    for method in METHODS:
        ours = Config.fromfile(CONFIGS / f'imagenet/methods/imagenet_{method}.py').to_dict()
        full = ['mel', 'nbel', 'locality'] if method.endswith('_full') else []
        head = MODELS.build({**ours['model']['head'], 'in_channels': 8})
        assert list(head.terms) == [
            *full,
            *(term for name, term in TERMS.items() if name == method.removesuffix('_full')),
        ]
        assert any(
            'MeanTeacherHook' in hook['type'] for hook in ours['custom_hooks']
        ) == method.startswith('mean_teacher')


def shrink_crops(transforms, size):
    """Crops of ``size`` pixels, also within views."""
    for transform in transforms:
        if isinstance(transform, list):
            shrink_crops(transform, size)
        elif transform.type == 'RandomResizedCrop':
            transform.scale = size
        elif transform.type == 'MultiView':
            shrink_crops(transform.transforms, size)


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        'imagenet_fixmatch_full',
        'imagenet_mean_teacher_full',
        'imagenet_transform_full',
        'imagenet_pseudo_label',
        'imagenet_ce',
    ],
)
def test_methods_run_on_an_imagenet_folder(name, imagenet_folder, tmp_path, monkeypatch):
    ce = name.endswith('_ce')
    if 'fixmatch' not in name:
        monkeypatch.setenv('BACKBONE', 'resnet50')
    cfg = tiny_imagenet(
        f'imagenet/methods/{name}',
        imagenet_folder,
        tmp_path,
        **{
            'steps': 2,
            'train_cfg.val_interval': 2,
            'param_scheduler': [],
            'labeled_ratio': 1.0 if ce else 0.5,
        },
    )
    for source in ('labeled', 'unlabeled'):
        shrink_crops((cfg.train_dataloader.dataset[source] or dict(pipeline=[]))['pipeline'], 64)
    shrunk = cfg.test_dataloader.dataset.pipeline  # validation too
    cfg.val_dataloader.dataset.pipeline = [
        *shrunk[:2],
        dict(type='CenterCrop', crop_size=64),
        shrunk[3],
    ]
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 2
    assert runner.optim_wrapper.optimizer.param_groups[0]['lr'] == pytest.approx(
        0.2 * 4 / (512 if ce else 3072)
    )
    logged = runner.message_hub.log_scalars
    full = ['loss_mel', 'loss_nbel', 'loss_locality'] if name.endswith('_full') else []
    terms = [f'loss_{term}' for method, term in TERMS.items() if method in name]
    assert {key.removeprefix('train/') for key in logged if key.startswith('train/loss_')} == {
        'loss_ce',
        *full,
        *terms,
    }
    for key in ('loss_ce', *full, *terms, 'confidence'):
        assert np.isfinite(logged[f'train/{key}'].current()), key
    checkpoint = torch.load(tmp_path / 'iter_2.pth', weights_only=False)
    assert checkpoint.get('evaluated') == ('teacher' if 'mean_teacher' in name else None)


def write_boxes(folder, *box):
    """One box for each validation image of ``imagenet_folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    sides = ''.join(
        f'<{side}>{value}</{side}>'
        for side, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), box, strict=True)
    )
    for name in ('n01440764', 'n01443537', 'n01484850'):
        (folder / f'{name}.xml').write_text(
            f'<annotation><object><bndbox>{sides}</bndbox></object></annotation>'
        )


@pytest.mark.slow
def test_localization_runs_on_an_imagenet_folder(imagenet_folder, tmp_path):
    cfg = Config.fromfile(CONFIGS / 'imagenet/densenet_localization.py')
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'vis_backends': [],
            'visualizer.vis_backends': [],
            'test_dataloader.dataset.data_root': str(imagenet_folder),
            'test_dataloader.num_workers': 0,
            'test_dataloader.persistent_workers': False,
            'test_dataloader.dataset.pipeline.1.ann_dir': str(tmp_path / 'boxes'),
        }
    )
    write_boxes(tmp_path / 'boxes', 50, 25, 250, 200)
    runner = Runner.from_cfg(cfg)
    metrics = runner.test()
    # images of 250 x 250 become 224 x 224
    assert metrics['localization/uniform_in_box'] == pytest.approx(100 * 179 * 157 / 224**2)
    assert {'localization/top1_MaxBoxAccV2', 'localization/gt_MaxBoxAcc', 'accuracy/top5'} < set(
        metrics
    )
    write_boxes(tmp_path / 'boxes', 50, 25, 251, 200)
    with pytest.raises(ValueError, match='n01440764.xml: .* got .*251.* in an image of 250 x 250'):
        runner.test()


def train(cfg):
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.slow
@pytest.mark.parametrize('name', [p.stem for p in TRAINABLE if 'digits' in p.parts])
def test_digits_configs_train(name, tmp_path):
    runner = train(force_terms(tiny_digits(name, tmp_path)))
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
    assert (tmp_path / name / 'iter_4.pth').exists()


@pytest.mark.slow
def test_digits_train_with_augmentation_of_images_and_batches(tmp_path):
    cfg = force_terms(tiny_digits('digits_full', tmp_path))
    augment = dict(
        type='RandAugment', policies='timm_increasing', num_policies=2, magnitude_level=9
    )
    erase = dict(type='RandomErasing', erase_prob=0.5)
    for part in ('labeled', 'unlabeled'):
        cfg.train_dataloader.dataset[part].pipeline.insert(0, augment)
        cfg.train_dataloader.dataset[part].pipeline.insert(1, erase)
    cfg.model.data_preprocessor.batch_augments = dict(
        augments=[dict(type='Mixup', alpha=0.2), dict(type='CutMix', alpha=1.0)]
    )
    cfg = apply_knobs(
        cfg, dict(micro_batch_size=16)
    )  # so that NBEL takes two passes, which mix alike
    assert np.isfinite(train(cfg).message_hub.get_scalar('train/loss').current())


def force_terms(cfg):
    """All terms from the first step on."""
    head = cfg.model.head
    for term in (*head.values(), *head.get('terms', {}).values()):
        if isinstance(term, dict) and term.get('schedule'):
            term.schedule = dict(begin=0)
    return cfg


@pytest.fixture(scope='session')
def full_run(tmp_path_factory):
    """A short run of the full loss."""
    return train(
        force_terms(
            tiny_digits('digits_full', tmp_path_factory.mktemp('full'), experiment_name='full_run')
        )
    )


def final_weights(runner):
    return {key: value.clone() for key, value in runner.model.state_dict().items()}


@pytest.mark.slow
def test_hidden_labels_do_not_reach_the_model(full_run, tmp_path, monkeypatch):
    """Permuting the labels of the unlabelled images leaves the run bit-identical.

    Those of the labelled ones do not.
    """
    build = DATASETS.get('mmsemiloc.DigitScenes').load_data_list

    def permuted(first):
        def load(self):
            scenes = build(self)
            if self.scenes.start == first and len(scenes) > 20:
                labels = np.random.default_rng(0).permutation([s['gt_label'] for s in scenes])
                scenes = [
                    {**scene, 'gt_label': int(label)}
                    for scene, label in zip(scenes, labels, strict=True)
                ]
            return scenes

        return load

    weights = {}
    for part, first in (('labeled', 0), ('unlabeled', 40)):
        monkeypatch.setattr(
            DATASETS.get('mmsemiloc.DigitScenes'), 'load_data_list', permuted(first)
        )
        cfg = force_terms(
            tiny_digits('digits_full', tmp_path / part, experiment_name=f'permuted_{part}')
        )
        weights[part] = final_weights(train(cfg))
    expected = final_weights(full_run)
    assert all(torch.equal(expected[key], weights['unlabeled'][key]) for key in expected)
    assert not all(
        torch.equal(expected[key], weights['labeled'][key]) for key in expected
    )  # negative control


@pytest.mark.slow
def test_checkpoint_of_a_run_loads_into_the_stock_classifier(full_run):
    from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

    cfg = full_run.cfg.model
    stock = MMPRETRAIN_MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=cfg.backbone.to_dict(),
            neck=dict(type='GlobalAveragePooling'),
            data_preprocessor={**cfg.data_preprocessor, 'type': 'ClsDataPreprocessor'},
            head=dict(type='LinearClsHead', num_classes=10, in_channels=cfg.head.in_channels),
        )
    )
    checkpoint = torch.load(Path(full_run.work_dir) / 'iter_4.pth', weights_only=False)
    stock.load_state_dict(checkpoint['state_dict'], strict=True)
    batch = next(iter(full_run.val_dataloader))
    assert torch.equal(scores(full_run.model, batch), scores(stock, batch))


class RecordImages(Hook):
    """Remembers which images each step saw, in order."""

    def __init__(self):
        self.seen = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seen.append(
            [('gt_label' in sample, sample.sample_idx) for sample in data_batch['data_samples']]
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, given_seed, workers',
    [('digits_full', 0, 0), ('best', None, 2)],
    ids=['seed 0', 'views, teacher, random seed and workers'],
)
def test_resume_continues_the_order_of_images_in_mid_epoch(tmp_path, name, given_seed, workers):
    def images(resume_from=None, seed=given_seed):
        cfg = tiny_digits(
            name,
            tmp_path,
            steps=7,
            experiment_name=f'resume{name}{resume_from}{seed}{workers}{given_seed}',
            **{
                'train_dataloader.sampler.epoch_length': 4,
                'default_hooks.checkpoint.interval': 5,
                'train_dataloader.num_workers': workers,
                'train_dataloader.batch_size': 8,
                'train_dataloader.sampler.batch_size': 8,
                'default_hooks.checkpoint.max_keep_ckpts': -1,
                'randomness.seed': seed,
            },
        )
        if resume_from:
            cfg.merge_from_dict(dict(resume=True, load_from=resume_from))
        runner = Runner.from_cfg(cfg)
        record = RecordImages()
        runner.register_hook(record)
        runner.train()
        return record.seen

    whole = images()
    assert len(whole) == 7
    assert all(
        [labeled for labeled, _ in step] == [False, True] * 4 for step in whole
    )  # half of each batch
    assert images(str(tmp_path / name / 'iter_5.pth')) == whole[5:]
    assert images(seed=1)[5:] != whole[5:]  # negative control
