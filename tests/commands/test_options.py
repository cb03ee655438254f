"""Knobs at the top of a config, and names that would have no effect."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmsemiloc.commands.common import load_config
from mmsemiloc.commands.config_files import names_without_effect
from mmsemiloc.commands.knobs import LENGTHS, PLACES, places_of
from mmsemiloc.commands.options import with_options
from mmsemiloc.models import Schedule

CONFIGS = Path(__file__).parents[2] / 'configs'
TRAINABLE = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
FULL = CONFIGS / 'digits/digits_full.py'
FLAGSHIP = CONFIGS / 'densenet_mel_nbel_loc.py'


def read(file, **options):
    return with_options(Config.fromfile(file), file, options)


@pytest.fixture
def own(tmp_path):
    """A function that writes a config which inherits one of ours, and returns its file."""

    def write(text, base=FULL, name='own'):
        file = tmp_path / f'{name}.py'
        file.write_text(f"_base_ = '{base}'\n{text}\n")
        return file

    return write


@pytest.mark.parametrize('path', TRAINABLE, ids=lambda path: path.stem)
def test_the_knobs_of_our_configs_have_the_values_of_their_places(path):
    cfg = Config.fromfile(path)
    assert not names_without_effect(path)
    ours = 'mmsemiloc' in str(cfg.model.type)  # MMPretrain's models do not have all the places
    knobs = [knob for knob in PLACES if knob in cfg and (ours or knob == 'batch_size')]
    if ours and 'num_labeled' in knobs and cfg.train_dataloader.dataset.labeled is None:
        knobs.remove('num_labeled')
        with pytest.raises(ValueError, match='num_labeled has no place in the config'):
            places_of(cfg, 'num_labeled')

    for knob in knobs:
        assert {*places_of(cfg, knob).values()} == {cfg[knob]}, knob
    for knob, key in LENGTHS.items():
        if knob in cfg and cfg.train_cfg.get(key):
            assert cfg[knob] == cfg.train_cfg[key]


def test_knobs_are_carried_to_their_places_from_the_command_line_and_from_a_file(own):
    values = dict(
        batch_size=16,
        micro_batch_size=8,
        labeled_ratio=0.25,
        num_labeled=50,
        num_classes=7,
        steps=300,
    )
    text = '\n'.join(f'{name} = {value}' for name, value in values.items())
    for cfg in (read(FULL, **values), read(own(text))):
        assert cfg.train_dataloader.batch_size == cfg.train_dataloader.sampler.batch_size == 16
        assert (
            cfg.optim_wrapper.micro_batch_size == cfg.train_dataloader.sampler.micro_batch_size == 8
        )
        assert cfg.train_dataloader.sampler.labeled_ratio == 0.25
        assert (
            cfg.train_dataloader.dataset.labeled.num_images
            == cfg.train_dataloader.dataset.unlabeled.first
            == 50
        )
        assert cfg.model.head.num_classes == cfg.model.data_preprocessor.num_classes == 7
        assert cfg.train_cfg.max_iters == cfg.train_dataloader.sampler.epoch_length == 300
        assert Schedule(**cfg.model.head.loss_nbel.schedule).steps(300) == (112, 150)
        assert cfg.param_scheduler.milestones == [225, 270]
        assert {name: cfg[name] for name in values} == values
    assert (
        Config.fromfile(own(text)).train_dataloader.batch_size == 64
    )  # negative control: MMEngine alone


def test_the_folder_of_the_data_is_replaced_everywhere(own):
    for cfg in (read(FLAGSHIP, data_root='/x'), read(own("data_root = '/x'", FLAGSHIP))):
        parts = [
            cfg.train_dataloader.dataset.labeled,
            cfg.train_dataloader.dataset.unlabeled,
            cfg.val_dataloader.dataset,
            cfg.test_dataloader.dataset,
        ]
        assert [part.data_root for part in parts] == ['/x/'] * 4
    boxes = read(
        CONFIGS / 'imagenet/densenet_localization.py', data_root='/x'
    ).test_dataloader.dataset.pipeline[1]
    assert boxes.ann_dir == '/x/Annotations/CLS-LOC/val'

    # A metric that kept the old folder would score images with the boxes of other ones.
    coco = read(CONFIGS / 'transfer/digits/digits_retinanet.py', data_root='/x')
    assert coco.test_dataloader.dataset.data_root == '/x'
    assert coco.test_evaluator.ann_file == '/x/annotations/test.json'

    # Neither may a hook or a prior keep it; what is elsewhere stays.
    text = (
        "custom_hooks = [dict(type='mmsemiloc.CAMEvolutionHook', "
        "dataset=dict(type='mmsemiloc.ImageNet', data_root='data/imagenet/'))]\n"
        "model = dict(head=dict(loss_nbel=dict(prior='data/imagenet/meta/prior.txt')))\n"
        "load_from = 'data/imagenet_weights/x.pth'"
    )
    other = read(own(text, FLAGSHIP, 'hooks'), data_root='/x')
    assert other.custom_hooks[0].dataset.data_root == '/x/'
    assert other.model.head.loss_nbel.prior == '/x/meta/prior.txt'
    assert other.load_from == 'data/imagenet_weights/x.pth'
    with pytest.raises(ValueError, match='have none'):
        read(FULL, data_root='/x')


def test_a_file_may_use_a_knob_itself_and_the_next_one_turn_it(own):
    middle = own(
        'batch_size = 8\ntrain_dataloader = dict(batch_size=batch_size, '
        'sampler=dict(batch_size=batch_size))',
        name='middle',
    )
    assert names_without_effect(middle) == []
    cfg = read(own('batch_size = 4', middle))
    assert cfg.train_dataloader.batch_size == cfg.train_dataloader.sampler.batch_size == 4


def test_a_knob_by_the_prefix_of_the_package(own):
    cfg = read(own('max_epochs = 13', 'mmsemiloc::imagenet/densenet_ce_mel.py'))
    assert cfg.train_cfg.max_epochs == 13 and cfg.param_scheduler[1].milestones == [3, 6, 9, 12]


@pytest.mark.parametrize(
    'text, words',
    [
        (
            'train_dataloder = dict(batch_size=4)',
            "unknown top-level key 'train_dataloder'; did you mean train_dataloader",
        ),
        ('learning_rate = 0.1', "unknown top-level key 'learning_rate'"),
        ('mel = dict(loss_weight=2)', 'set model.head.loss_mel instead'),
        (
            'batch_size = 4\ntrain_dataloader = dict(batch_size=8)',
            'batch_size = 4, but train_dataloader.batch_size = 8',
        ),
        ('batch_size = 4.5', 'batch_size must be a whole number of at least 1, got 4.5'),
        ('batch_size = True', 'batch_size must be a whole number'),
        ('labeled_ratio = -0.1', 'labeled_ratio must be a number from 0 to 1'),
        ('micro_batch_size = 0', 'micro_batch_size must be a whole number of at least 1, or None'),
        ('max_epochs = 3', 'the config has no train_cfg.max_epochs: set steps instead'),
    ],
)
def test_names_of_a_file_without_effect_are_refused(text, words, own):
    with pytest.raises(ValueError, match=words):
        read(own(text))


@pytest.mark.parametrize(
    'name, words',
    [
        ('custom_hook', 'did you mean custom_hooks'),
        ('ramp.begin', 'ramp is used only while its file is read'),
        ('grey', 'grey is used only'),
        ('nonsense', "unknown top-level key 'nonsense'"),
        ('stepz', 'did you mean steps'),
    ],
)
def test_names_of_the_command_line_without_effect_are_refused(name, words):
    with pytest.raises(ValueError, match=words):
        read(FULL, **{name: 1})


def test_a_misspelt_section_of_a_file_that_inherits_nothing(tmp_path):
    file = tmp_path / 'alone.py'
    file.write_text('model = dict()\ngrey = 1\nval_dataloder = dict()\n')
    with pytest.raises(ValueError, match='did you mean val_dataloader'):
        read(file)
    file.write_text('model = dict()\ngrey = 1\n')  # a config as a run writes it has such names
    assert read(file).grey == 1


def test_a_config_that_a_run_has_written_is_read_as_it_was(tmp_path):
    cfg = load_config(FULL, ('model',))
    cfg.dump(tmp_path / 'dumped.py')
    again = load_config(tmp_path / 'dumped.py', ('model',), dict(batch_size=8))
    assert again.train_dataloader.sampler.batch_size == 8
    assert again.test_dataloader.dataset == cfg.test_dataloader.dataset
