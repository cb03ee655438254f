from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

from mmsemiloc.engine import MeanTeacherHook
from tests.conftest import make_model

STEPS, SAVED, MOMENTUM = 5, 3, 0.3
BACKBONE = dict(type='DenseNet', arch=dict(growth_rate=4, depths=[2, 2], init_channels=8))
PREPROCESSOR = dict(mean=[128] * 3, std=[64] * 3, num_classes=10)
PACK = dict(type='PackInputs')
SCENES = dict(type='mmsemiloc.DigitScenes', pipeline=[PACK])
# Checkpoints do not hold the state of random number generators, so the views that resumed runs are
# compared by are not random.
VIEWS = [
    dict(type='MultiView', num_views=[1, 1], transforms=[[], [dict(type='RandomFlip', prob=1.0)]]),
    PACK,
]


def config(folder, steps=STEPS, wrapper='AccumOptimWrapper', teacher=None, **options):
    """A tiny run of FixMatch and NBEL, both with a running mean of their own and a prior that the
    student alone is told.
    """
    teacher = dict(type='mmsemiloc.MeanTeacherHook', momentum=MOMENTUM, **(teacher or {}))
    fixmatch = dict(type='mmsemiloc.FixMatchLoss', threshold=0, alignment=dict(prior='labeled'))
    nbel = dict(
        type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=0.3, estimator='ema', prior='labeled'
    )
    dataset = dict(
        type='mmsemiloc.SemiSupDataset',
        labeled=dict(SCENES, num_images=40),
        unlabeled=dict(SCENES, first=40, num_images=20, pipeline=VIEWS),
    )
    loader = dict(
        batch_size=10,
        num_workers=0,
        dataset=dict(SCENES, split='val', num_images=20),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            work_dir=str(folder),
            experiment_name=str(folder).replace('/', '_') + str(sorted(options)),
            model=dict(
                type='mmsemiloc.SemiSupClassifier',
                data_preprocessor=PREPROCESSOR,
                backbone=BACKBONE,
                head=dict(
                    type='mmsemiloc.CAMClsHead',
                    num_classes=10,
                    in_channels=16,
                    loss_nbel=nbel,
                    terms=dict(fixmatch=fixmatch),
                    init_cfg=dict(type='Normal', layer='Linear', std=0.5),
                ),
            ),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                dataset=dataset,
                sampler=dict(
                    type='mmsemiloc.SemiSupSampler',
                    batch_size=4,
                    micro_batch_size=2,
                    labeled_ratio=0.5,
                    epoch_length=STEPS,
                ),
            ),
            val_dataloader=loader,
            test_dataloader=loader,
            val_evaluator=dict(type='Accuracy'),
            test_evaluator=dict(type='Accuracy'),
            optim_wrapper=dict(
                type=f'mmsemiloc.{wrapper}',
                micro_batch_size=2,
                optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=2),
            val_cfg=dict(),
            test_cfg=dict(),
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=SAVED)
            ),
            custom_hooks=[dict(type='mmsemiloc.SemiSupSetupHook'), teacher],
            log_level='ERROR',
            randomness=dict(seed=0),
        )
    )
    cfg.merge_from_dict(options)
    return cfg


def state(model):
    """A copy of what is saved of a model."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    """Whether two states are bit-identical."""
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


class Record(Hook):
    """States of the student and the teacher before the first step and after each, and of what is
    evaluated.
    """

    def __init__(self):
        self.students, self.teachers, self.evaluated = [], [], []

    def note(self, model):
        self.students.append(state(model))
        self.teachers.append(state(model.teacher))

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if not self.students:
            self.note(runner.model)

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        self.evaluated.append((runner.iter, state(runner.model)))

    def before_test_iter(self, runner, batch_idx, data_batch=None):
        self.before_val_iter(runner, batch_idx)


class RecordAfter(Hook):
    """Calls ``record`` after a step, when the teacher has been averaged."""

    priority = 'VERY_LOW'

    def __init__(self, record):
        self.record = record

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.record.note(runner.model)


def make_runner(cfg):
    runner, record = Runner.from_cfg(cfg), Record()
    runner.register_hook(record)
    runner.register_hook(RecordAfter(record))
    return runner, record


def train(folder, **kwargs):
    """The record of a run, which ends where the checkpoint ``iter_3.pth`` is not the last one."""
    runner, record = make_runner(config(folder, **kwargs))
    runner.train()
    record.runner = runner
    return record


def state_in_test(folder, checkpoint, **kwargs):
    """The state that ``Runner.test`` evaluates."""
    runner, record = make_runner(config(folder, load_from=str(checkpoint), **kwargs))
    runner.test()
    return record.evaluated[0][1]


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """Runs are compared bit by bit, and several threads may add in another order each time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """The run with each of the two evaluated: their folder and record."""
    folders = {evaluate: tmp_path_factory.mktemp(evaluate) for evaluate in ('teacher', 'student')}
    return {
        evaluate: (folder, train(folder, teacher=dict(evaluate=evaluate)))
        for evaluate, folder in folders.items()
    }


def running_mean(students, momentum=MOMENTUM):
    """The mean of the states after each step, with the weights written out: (1 - m)^(n - 1), then m
    (1 - m)^(n - i).
    """
    n = len(students)
    weights = [
        (1 - momentum) ** (n - 1),
        *(momentum * (1 - momentum) ** (n - i) for i in range(2, n + 1)),
    ]
    return {
        name: sum(
            weight * student[name].double()
            for weight, student in zip(weights, students, strict=True)
        )
        for name in students[0]
        if students[0][name].is_floating_point()
    }


def largest_difference(mean, teacher):
    return max((value - teacher[name]).abs().max().item() for name, value in mean.items())


def test_the_teacher_is_the_running_mean_of_the_student(runs):
    _, record = runs['teacher']
    assert len(record.students) == STEPS + 1
    assert same(
        record.students[0], record.teachers[0]
    )  # the first targets are the student's own, not of other random weights
    for n in range(1, STEPS + 1):
        assert (
            largest_difference(running_mean(record.students[1 : n + 1]), record.teachers[n]) < 1e-5
        )
    # Negative controls: another momentum, a mean that starts with the initial weights, and the
    # student itself.
    assert largest_difference(running_mean(record.students[1:], 0.35), record.teachers[-1]) > 1e-3
    assert largest_difference(running_mean(record.students), record.teachers[-1]) > 1e-3
    assert largest_difference(running_mean(record.students[-1:]), record.teachers[-1]) > 1e-3


def test_until_begin_iter_the_teacher_is_the_student(tmp_path):
    record = train(tmp_path, teacher=dict(begin_iter=3))
    for n in range(4):
        assert same(record.students[n], record.teachers[n])
    assert largest_difference(running_mean(record.students[3:5]), record.teachers[4]) < 1e-5
    assert not same(record.students[4], record.teachers[4])


def test_validation_uses_the_one_that_is_evaluated_and_leaves_no_trace(runs):
    for evaluate, (_, record) in runs.items():
        expected, other = (
            (record.teachers, record.students)
            if evaluate == 'teacher'
            else (record.students, record.teachers)
        )
        assert [step for step, _ in record.evaluated] == [2, 2, 4, 4, 5, 5]
        for step, evaluated in record.evaluated:
            assert same(evaluated, expected[step]) and not same(evaluated, other[step])
    first, second = (record for _, record in runs.values())
    assert all(map(same, first.students, second.students)) and all(
        map(same, first.teachers, second.teachers)
    )


def test_what_the_student_alone_has_does_not_disturb_the_exchange():
    student = make_model()
    student.data_preprocessor.register_buffer('bank', None, persistent=False)
    hook = MeanTeacherHook()
    hook.before_run(SimpleNamespace(model=student))
    student.data_preprocessor.bank = torch.zeros(7)
    for value in student.state_dict().values():
        value += 1
    states = state(student), state(hook.ema_model.module)
    hook.before_val_epoch(None)
    assert same(state(student), states[1]) and same(state(hook.ema_model.module), states[0])
    hook.after_val_epoch(None)
    assert same(state(student), states[0]) and same(state(hook.ema_model.module), states[1])
    with pytest.raises(RuntimeError, match='must match the size'):  # negative control
        EMAHook._swap_ema_parameters(hook)


def test_a_test_after_training_uses_the_one_that_is_evaluated(tmp_path):
    for evaluate in ('teacher', 'student'):
        record = train(tmp_path, steps=2, teacher=dict(evaluate=evaluate))
        record.evaluated.clear()
        record.runner.test()
        assert same(
            record.evaluated[0][1],
            (record.teachers if evaluate == 'teacher' else record.students)[2],
        )
        assert not same(record.students[2], record.teachers[2])
        assert same(state(record.runner.model), record.students[2])
        assert record.runner.model.teacher is None


@pytest.mark.parametrize('saved', ['teacher', 'student'])
def test_checkpoints_hold_both_and_either_can_be_tested(runs, saved, tmp_path):
    folder, record = runs[saved]
    teacher, student = record.teachers[SAVED], record.students[SAVED]
    checkpoint = torch.load(folder / f'iter_{SAVED}.pth', weights_only=False)
    assert checkpoint['evaluated'] == saved
    first, second = (teacher, student) if saved == 'teacher' else (student, teacher)
    assert same(dict(checkpoint['state_dict']), first)
    averaged = dict(checkpoint['ema_state_dict'])
    assert averaged.pop('steps') == SAVED
    assert same(averaged, {f'module.{name}': value for name, value in second.items()})
    for evaluate, expected in (('teacher', teacher), ('student', student)):
        assert same(
            state_in_test(
                tmp_path / evaluate, folder / f'iter_{SAVED}.pth', teacher=dict(evaluate=evaluate)
            ),
            expected,
        )
    assert not same(teacher, student)


def test_a_checkpoint_loads_strictly_into_the_stock_classifier(runs):
    folder, record = runs['teacher']
    stock = MMPRETRAIN_MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=BACKBONE,
            neck=dict(type='GlobalAveragePooling'),
            data_preprocessor=dict(PREPROCESSOR),
            head=dict(type='LinearClsHead', num_classes=10, in_channels=16),
        )
    )
    stock.load_state_dict(
        torch.load(folder / f'iter_{SAVED}.pth', weights_only=False)['state_dict'], strict=True
    )
    assert same(state(stock), record.teachers[SAVED])


@pytest.mark.parametrize('resumed', ['teacher', 'student'])
@pytest.mark.parametrize('saved', ['teacher', 'student'])
def test_a_resumed_run_has_the_teacher_and_the_student_of_an_uninterrupted_one(
    runs, saved, resumed, tmp_path
):
    folder, whole = runs[saved]
    record = train(
        tmp_path,
        resume=True,
        load_from=str(folder / f'iter_{SAVED}.pth'),
        teacher=dict(evaluate=resumed),
    )
    assert (
        all(map(same, record.students, whole.students[SAVED:]))
        and len(record.students) == STEPS - SAVED + 1
    )
    assert all(map(same, record.teachers, whole.teachers[SAVED:]))


def test_without_its_teacher_a_resumed_run_is_another_one(runs, tmp_path):
    """Negative control: a new teacher, equal to the student at first."""
    folder, whole = runs['student']
    checkpoint = torch.load(folder / f'iter_{SAVED}.pth', weights_only=False)
    del checkpoint['ema_state_dict']
    torch.save(checkpoint, tmp_path / 'alone.pth')
    record = train(
        tmp_path,
        resume=True,
        load_from=str(tmp_path / 'alone.pth'),
        teacher=dict(evaluate='student'),
    )
    assert same(record.students[0], whole.students[SAVED]) and same(
        record.teachers[0], record.students[0]
    )
    assert not same(record.students[-1], whole.students[-1]) and not same(
        record.teachers[-1], whole.teachers[-1]
    )


def test_training_may_start_from_a_part_of_a_checkpoint(runs, tmp_path):
    """As without the hook: what the checkpoint lacks keeps its initial weights, and the teacher is
    the student.
    """
    folder, whole = runs['teacher']
    checkpoint = torch.load(folder / f'iter_{SAVED}.pth', weights_only=False)
    state_dict = {
        name: value
        for name, value in checkpoint['state_dict'].items()
        if name.startswith('backbone')
    }
    torch.save(dict(state_dict=state_dict), tmp_path / 'backbone.pth')
    record = train(tmp_path, steps=1, load_from=str(tmp_path / 'backbone.pth'))
    start = record.students[0]
    assert same(start, record.teachers[0])
    assert all(torch.equal(start[name], whole.teachers[SAVED][name]) for name in state_dict)
    assert torch.equal(start['head.fc.weight'], whole.students[0]['head.fc.weight'])


@pytest.mark.parametrize('evaluate', ['teacher', 'student'])
@pytest.mark.parametrize('first', ['hook of checks', 'hook of the teacher'])
def test_training_may_start_with_other_classes_and_any_order_of_hooks(
    runs, evaluate, first, tmp_path
):
    folder, whole = runs['teacher']
    path = tmp_path / 'other.pth'
    checkpoint = torch.load(folder / f'iter_{SAVED}.pth', weights_only=False)
    for states, prefix in (
        (checkpoint['state_dict'], ''),
        (checkpoint['ema_state_dict'], 'module.'),
    ):
        for name in ('head.fc.weight', 'head.fc.bias'):
            states[prefix + name] = states[prefix + name][:7]
    torch.save(checkpoint, path)
    cfg = config(tmp_path, steps=1, load_from=str(path), teacher=dict(evaluate=evaluate))
    cfg.custom_hooks = cfg.custom_hooks[:: 1 if first == 'hook of checks' else -1]
    runner, record = make_runner(cfg)
    runner.train()
    start = record.students[0]
    assert same(start, record.teachers[0])
    expected = (whole.teachers if evaluate == 'teacher' else whole.students)[SAVED]
    assert all(
        torch.equal(start[name], expected[name]) for name in start if name.startswith('backbone')
    )
    assert torch.equal(start['head.fc.weight'], whole.students[0]['head.fc.weight'])
    with pytest.raises(ValueError, match='head differs: 7 classes in the file, 10 in the model'):
        state_in_test(tmp_path / 'test', path)


@pytest.mark.parametrize('evaluate', ['teacher', 'student'])
def test_training_may_start_with_classes_of_other_names(runs, evaluate, tmp_path):
    """The head of neither the teacher nor the student in the file is taken."""
    folder, whole = runs['teacher']
    checkpoint = torch.load(folder / f'iter_{SAVED}.pth', weights_only=False)
    checkpoint['meta']['dataset_meta'] = dict(classes=[f'kind {i}' for i in range(10)])
    torch.save(checkpoint, tmp_path / 'other.pth')
    record = train(
        tmp_path, steps=1, load_from=str(tmp_path / 'other.pth'), teacher=dict(evaluate=evaluate)
    )
    start = record.students[0]
    assert torch.equal(start['head.fc.weight'], whole.students[0]['head.fc.weight'])
    expected = (whole.teachers if evaluate == 'teacher' else whole.students)[SAVED]
    assert torch.equal(start['backbone.stem.0.weight'], expected['backbone.stem.0.weight'])


def test_mixed_precision(tmp_path):
    record = train(tmp_path, wrapper='AmpAccumOptimWrapper', **{'optim_wrapper.dtype': 'bfloat16'})
    assert largest_difference(running_mean(record.students[1:]), record.teachers[-1]) < 1e-5
    assert not same(record.students[-1], record.teachers[-1])


@pytest.mark.parametrize(
    'kwargs', [dict(evaluate='both'), dict(momentum=0), dict(momentum=1), dict(momentum=-0.5)]
)
def test_bad_arguments(kwargs):
    [(name, value)] = kwargs.items()
    with pytest.raises(ValueError, match=f'{name} must be .* got {value!r}'):
        MeanTeacherHook(**kwargs)


def test_other_models_are_refused(tmp_path):
    cfg = config(tmp_path)
    cfg.model = dict(
        type='ImageClassifier',
        backbone=BACKBONE,
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=16),
    )
    cfg.custom_hooks = cfg.custom_hooks[1:]
    with pytest.raises(
        ValueError, match='MeanTeacherHook needs a SemiSupClassifier, got ImageClassifier'
    ):
        Runner.from_cfg(cfg).train()
