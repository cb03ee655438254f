"""Wrong classes, lists, schedules, losses and metrics: one line before the first step, and no
number.
"""

import shutil

import pytest

from tests.pets import Pets, refuse, save_colour


@pytest.fixture
def pets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Pets(tmp_path)


@pytest.fixture
def refused(pets, monkeypatch, capsys):
    """A function that starts a training and returns the line by which it is refused."""

    def run(*options, config='pets.py'):
        args = ['--cfg-options', *options] if options else []
        return refuse(monkeypatch, capsys, 'train', config, *args)

    return run


def without(part, kind):
    def change(pets):
        shutil.rmtree(pets.data / part / kind)

    return change


def renamed(part, kind, name):
    def change(pets):
        (pets.data / part / kind).rename(pets.data / part / name)

    return change


def extra(part, kind):
    def change(pets):
        save_colour(pets.data / part / kind / '1.png', 'cat')

    return change


@pytest.mark.parametrize(
    'change, words',
    [
        (
            without('val', 'dog'),
            ["validation images has 2 classes ('cat', 'ferret')", 'num_classes=3'],
        ),
        (
            extra('val', 'bird'),
            ["validation images has 4 classes ('bird', 'cat', 'dog', 'ferret')"],
        ),
        (
            renamed('val', 'dog', 'hound'),
            ["'hound' only in the validation images", "'dog' only in the labelled images"],
        ),
        (
            without('labeled', 'dog'),
            ["labelled images has 2 classes ('cat', 'ferret')", 'num_classes=3'],
        ),
        (renamed('labeled', 'cat', 'zebra'), ["'zebra'", "'cat'"]),
    ],
)
def test_folders_of_classes_that_do_not_agree(change, words, pets, refused):
    change(pets)
    line = refused()
    assert all(word in line for word in words), line


def test_the_same_names_in_another_order(pets, refused):
    options = pets.lists('val')
    options[-1] = 'val_dataloader.dataset.classes=dog,cat,ferret'
    line = refused(*options)
    assert "class 0 is 'dog' in the validation images and 'cat' in the labelled images" in line


@pytest.mark.parametrize('part', ['labeled', 'val'])
def test_labels_that_count_from_one(part, pets, refused):
    options = pets.lists(part, lambda lines: [f'{line[:-1]}{int(line[-1]) + 1}' for line in lines])
    assert 'has label 3, but there are 3 classes, 0 to 2' in (line := refused(*options))
    assert f'{part}.txt, line ' in line and 'count from 1' in line


@pytest.mark.parametrize('part', ['labeled', 'val'])
def test_a_label_out_of_range(part, pets, refused):
    line = refused(*pets.lists(part, lambda lines: [*lines[:-1], f'{lines[-1][:-1]}7']))
    assert 'has label 7, but ' in line and '3 classes' in line and 'ferret/' in line


def test_class_names_and_their_number(pets, refused):
    line = refused('model.head.num_classes=5', 'data_preprocessor.num_classes=5')
    assert "3 classes ('cat', 'dog', 'ferret')" in line and 'num_classes=5' in line
    line = refused('train_dataloader.dataset.labeled.type=ImageNet')
    assert "3 class folders ('cat', 'dog', 'ferret'), but there are 1000 classes ('tench" in line
    line = refused(
        *pets.lists('labeled', classes=False), 'train_dataloader.dataset.labeled.type=ImageNet'
    )
    assert "1000 classes ('tench" in line and 'num_classes=3' in line


@pytest.mark.parametrize(
    'names, word',
    [
        ('cat,dog,', 'a blank line'),
        ('cat,dog,Cat', "'cat' and 'Cat'"),
        ('caf\u00e9,cafe\u0301,dog', 'Unicode normalisation'),
    ],
)
def test_names_that_nobody_can_tell_apart(names, word, pets, refused):
    config = pets.config(
        '\n'.join(
            (
                f'classes = tuple({names!r}.split(","))',
                *(
                    f'{place} = dict(classes=classes, data_root="data", data_prefix="{part}", '
                    f'ann_file="{part}.txt")'
                    for place, part in (('labeled', 'labeled'), ('val', 'val'))
                ),
                'train_dataloader = dict(dataset=dict(labeled=labeled))',
                'val_dataloader = dict(dataset=val)',
            )
        )
    )
    pets.lists('labeled'), pets.lists('val')
    assert word in refused(config=config)


def test_a_set_without_names_beside_one_with_names(pets, refused):
    line = refused(*pets.lists('val', classes=False))
    assert (
        'the validation images have no names of classes to compare with' in line
        and 'classes=' in line
    )


def test_a_test_split_of_other_classes_is_found_before_training(pets, refused):
    shutil.copytree(pets.data / 'val', pets.data / 'test')
    (pets.data / 'test' / 'dog').rename(pets.data / 'test' / 'wolf')
    assert "'wolf' only in the test images" in refused(
        'test_dataloader.dataset.data_root=data/test'
    )


@pytest.mark.parametrize(
    'options, words',
    [
        (['batch_size=0'], 'batch_size must be a whole number of at least 1, got 0'),
        (['steps=20'], 'the config has no train_cfg.max_iters: set max_epochs instead'),
        (['num_labeled=50'], 'num_labeled has no place in the config'),
        (['labeled_ratio=1.5'], 'labeled_ratio must be a number from 0 to 1, got 1.5'),
        (
            ['train_dataloder.batch_size=4'],
            "unknown top-level key 'train_dataloder'; did you mean train_dataloader?",
        ),
        (['train_pipeline.0.type=X'], 'train_pipeline is used only while its file is read'),
        (['train_dataloader.batch_size=8'], 'set both at once by batch_size=8'),
        (['optim_wrapper.micro_batch_size=4'], 'set both at once by micro_batch_size=4'),
        (['model.head.num_classes=3', 'num_classes=4'], 'set both at once by num_classes=3'),
        (['model.head.in_channels=7'], 'in_channels=7'),
        (['train_dataloader.bach_size=4'], 'bach_size'),
        (['data_root=/nowhere'], 'data_root=/nowhere stands for one folder'),
        (['train_dataloader.sampler=dict(type="DefaultSampler")'], 'SemiSupSampler'),
    ],
)
def test_options_without_effect(options, words, refused):
    assert words in refused(*options)


@pytest.mark.parametrize(
    'text, words',
    [
        ('train_dataloder = dict(batch_size=4)', "unknown top-level key 'train_dataloder'"),
        ('lr = 0.1', "unknown top-level key 'lr'"),
        ('train_pipeline = []', 'train_pipeline is used only while its file is read'),
        (
            'batch_size = 4\ntrain_dataloader = dict(batch_size=8)',
            'batch_size = 4, but train_dataloader.batch_size = 8',
        ),
        ('batch_size = "many"', "batch_size must be a whole number of at least 1, got 'many'"),
    ],
)
def test_names_of_a_file_without_effect(text, words, pets, refused):
    assert words in refused(config=pets.config(text))


def test_an_own_list_of_hooks_does_not_drop_the_checks(pets, refused):
    without('val', 'dog')(pets)
    hooks = "custom_hooks = [dict(type='EarlyStoppingHook', monitor='accuracy/top1')]"
    assert "2 classes ('cat', 'ferret')" in refused(config=pets.config(hooks))
    plain = "default_hooks = dict(_delete_=True, logger=dict(type='LoggerHook'))"
    assert "2 classes ('cat', 'ferret')" in refused(config=pets.config(plain))


@pytest.mark.parametrize(
    'options, words',
    [
        (
            ['max_epochs=130', 'train_cfg.max_epochs=3'],
            ['param_scheduler 1', 'of 3 epochs', 'max_epochs=...'],
        ),
        (
            [f'model.head.loss_nbel.schedule.{key}' for key in ('begin=0.99', 'end=1')],
            ["loss term 'nbel' begins at"],
        ),
        (['param_scheduler.1.milestones=(30,60)'], ['first milestone at', 'MultiStepLR']),
        (
            [
                'default_hooks.teacher.type=mmsemiloc.MeanTeacherHook',
                'default_hooks.teacher.begin_iter=500',
            ],
            ['MeanTeacherHook'],
        ),
    ],
)
def test_what_never_begins(options, words, refused):
    line = refused(*options)
    assert all(word in line for word in words), line


def test_schedules_of_an_older_config_are_told_their_new_place(pets, refused):
    hook = "type='mmsemiloc.LossScheduleHook', by_epoch=True"
    old = f'custom_hooks = [dict({hook}, schedule=dict(nbel=dict(begin=100, end=100)))]'
    line = refused(config=pets.config(old))
    new = 'model.head.loss_nbel.schedule=dict(begin=100 / max_epochs, end=100 / max_epochs)'
    assert new in line and 'beside loss_weight' in line
    line = refused('model.head.loss_nbel.schedule.begin=100')
    assert 'begin of a schedule is a share of the run, from 0 to 1, got 100' in line


@pytest.mark.parametrize(
    'options, words',
    [
        (
            ['model.head.loss_nbel.prior=(1,2)'],
            'prior has 2 classes, cls_score has 3',
        ),  # begins in the last epoch
        (['val_evaluator.topk=5'], 'topk=(5,), but there are 3 classes: set val_evaluator.topk=1'),
    ],
)
def test_terms_and_metrics_are_tried(options, words, refused):
    assert words in refused(*options)


def test_a_metric_without_what_it_needs(pets, refused):
    config = pets.config("val_evaluator = dict(_delete_=True, type='mmsemiloc.CAMLocalization')")
    assert 'val_evaluator: CAMLocalization cannot be computed' in (line := refused(config=config))
    assert 'predict_cam=True' in line


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda pets: ['train_dataloader.dataset.labeled.data_root=data/nowhere'], 'data/nowhere'),
        (lambda pets: ['train_dataloader.dataset.labeled.data_root=pets.py'], 'pets.py'),
        (lambda pets: ['val_dataloader.dataset.data_root=data/nowhere'], 'data/nowhere'),
        (
            lambda pets: (
                (pets.data / 'empty').mkdir()
                or ['train_dataloader.dataset.labeled.data_root=data/empty']
            ),
            'data/empty',
        ),
        (lambda pets: ['train_dataloader.dataset.labeled.ann_file=none.txt'], 'none.txt'),
        (lambda pets: ['model.backbone.type=DensNet'], 'DensNet'),
        (lambda pets: ['load_from=none.pth'], 'none.pth'),
    ],
)
def test_errors_of_a_user_are_one_line(change, words, pets, refused):
    assert words in refused(*change(pets))


def test_a_sound_run_is_right(pets):
    """The negative control of all of the above: the same data without a fault, through the same
    tool.
    """
    stdout, _ = pets.run('train.py', 'pets.py')
    assert 'accuracy/top1: 100.0000' in stdout
    assert '12 labelled images (cat 4, dog 4, ferret 4), 24 unlabelled, 18 for validation' in stdout
    assert len(stdout.splitlines()) < 60 and 'System environment' not in stdout


def test_knobs_work_from_the_command_line_and_from_a_file(pets):
    config = pets.config('batch_size = 6\nmax_epochs = 1')
    stdout, _ = pets.run(
        'train.py',
        config,
        '--cfg-options',
        'labeled_ratio=0.5',
        'train_dataloader.sampler.epoch_length=2',
    )
    assert 'current batch size is 6' in stdout and '[1][2/2]' in stdout and '[2]' not in stdout
