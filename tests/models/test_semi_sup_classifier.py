import copy
import pickle

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

from mmsemiloc.engine import AccumOptimWrapper, AmpAccumOptimWrapper, SemiSupDistributedDataParallel
from mmsemiloc.models import Term
from mmsemiloc.registry import MODELS
from tests.conftest import CLASSES, KeepGradients, gradients, make_batch, make_model

FIXMATCH = dict(type='mmsemiloc.FixMatchLoss', threshold=0)


def stock_classifier():
    """The plain mmpretrain classifier of the same architecture."""
    return MMPRETRAIN_MODELS.build(
        dict(
            type='ImageClassifier',
            data_preprocessor=dict(mean=[128] * 3, std=[64] * 3, num_classes=CLASSES),
            backbone=dict(
                type='DenseNet', arch=dict(growth_rate=4, depths=[2, 2], init_channels=8)
            ),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=CLASSES, in_channels=16),
        )
    )


def scores(model, batch):
    model.eval()
    with torch.no_grad():
        return torch.stack([sample.pred_score for sample in model.test_step(batch)])


def test_checkpoints_load_strictly_both_ways_and_predict_the_same():
    ours, stock = make_model(mel=0.1, nbel=0.1, locality=0.1), stock_classifier()
    stock.load_state_dict(ours.state_dict(), strict=True)
    batch = make_batch([None] * 4)
    assert torch.equal(scores(ours, batch), scores(stock, batch))
    other = stock_classifier()
    other.init_weights()
    ours.load_state_dict(other.state_dict(), strict=True)
    assert torch.equal(scores(ours, batch), scores(other, batch))


def test_train_step_with_a_stock_wrapper():
    model = make_model(mel=0.1, nbel=0.1, locality=0.01)
    before = model.head.fc.weight.clone()
    log = model.train_step(
        make_batch([1, None, 2, None]), OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    )
    assert set(log) == {'loss', 'loss_ce', 'loss_mel', 'loss_nbel', 'loss_locality', 'acc_labeled'}
    assert log['loss'].item() == pytest.approx(
        sum(v.item() for k, v in log.items() if k.startswith('loss_')), rel=1e-5
    )
    assert not torch.equal(before, model.head.fc.weight)


def test_stock_accumulation_with_nbel_is_refused():
    model = make_model(nbel=0.1)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), accumulative_counts=2)
    model.train_step(make_batch([1, None]), wrapper)
    with pytest.raises(ValueError, match='accumulative_counts'):
        model.train_step(make_batch([1, None]), wrapper)


def test_micro_batches_of_a_stock_classifier_are_refused_and_its_whole_batches_train_as_ever():
    weights = []
    for wrapper in (OptimWrapper, AccumOptimWrapper):
        torch.manual_seed(0)
        model = stock_classifier()
        model.init_weights()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model.train_step(make_batch([0, 1, 2, 3]), wrapper(optimizer=optimizer))
        weights.append(model.head.fc.weight)
    assert torch.equal(*weights)
    with pytest.raises(
        RuntimeError, match='works only with model type mmsemiloc.SemiSupClassifier'
    ):
        model.train_step(make_batch([0, 1, 2, 3]), AccumOptimWrapper(2, optimizer=optimizer))


def test_other_heads_are_refused():
    from mmsemiloc.models import SemiSupClassifier

    with pytest.raises(ValueError, match='LinearClsHead'):
        SemiSupClassifier(
            backbone=dict(type='DenseNet', arch=dict(growth_rate=4, depths=[2], init_channels=8)),
            head=dict(type='LinearClsHead', num_classes=2, in_channels=16),
        )


def test_a_preprocessor_that_would_drop_views_is_refused():
    cfg = dict(
        type='mmsemiloc.SemiSupClassifier',
        backbone=dict(type='ResNet', depth=18),
        head=dict(type='mmsemiloc.CAMClsHead', num_classes=2, in_channels=512),
    )
    assert MODELS.build({**cfg, 'data_preprocessor': dict(num_classes=2)})
    with pytest.raises(ValueError, match='got ClsDataPreprocessor'):
        MODELS.build({**cfg, 'data_preprocessor': dict(type='ClsDataPreprocessor')})


# --- the teacher


class Recorder(Term):
    """A term that remembers what the terms of each micro-batch are given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def compute(self, predictions):
        self.seen.append(predictions)
        return {}


def batch_in_views(labels=(1, 2, None, None), numbers=(1, 2, 1, 3), seed=0):
    """A collated batch whose images have so many views."""
    batch = make_batch(labels, seed=seed)
    for image, (sample, number) in enumerate(zip(batch['data_samples'], numbers, strict=True)):
        if number > 1:
            sample.set_field(
                torch.stack(make_batch([None] * (number - 1), seed=seed + 99 + image)['inputs']),
                'views',
            )
    return batch


PLACES = [
    1,
    2,
    3,
]  # weak views in its flat batch of the labelled image in two views, and of the unlabelled ones


def student_and_teacher(**kwargs):
    """A student that records what terms see, and the other model that is its teacher."""
    student, teacher = make_model(**kwargs), make_model(seed=1).eval()
    student.head.terms['recorder'] = Recorder()
    student.set_teacher(teacher)
    return student, teacher


def run(model, batch, micro_batch_size=None, wrapper=AccumOptimWrapper):
    return model.train_step(
        batch, wrapper(micro_batch_size, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    )


@pytest.mark.parametrize('wrapper', [AccumOptimWrapper, AmpAccumOptimWrapper])
def test_weak_views_are_compared_with_the_teacher_and_not_the_student(wrapper):
    student, teacher = student_and_teacher()
    inputs = student.data_preprocessor(batch_in_views(), True)['inputs']
    with torch.no_grad():
        expected = teacher(inputs)
    run(student, batch_in_views(), wrapper=wrapper)
    [seen] = student.head.terms['recorder'].seen
    amp = wrapper is AmpAccumOptimWrapper
    tolerance = dict(rtol=0.1, atol=0.1) if amp else dict(rtol=1e-5, atol=1e-5)
    others = [place for place in range(len(inputs)) if place not in PLACES]
    assert seen.targets.dtype == seen.logits.dtype == (torch.bfloat16 if amp else torch.float32)
    torch.testing.assert_close(seen.targets[PLACES].float(), expected[PLACES], **tolerance)
    assert torch.equal(seen.targets[others], seen.logits[others])
    assert not seen.targets.requires_grad and seen.logits.requires_grad
    assert (seen.targets - seen.logits)[PLACES].abs().amin(
        0
    ).max() > 0.3  # the student says something else
    student.set_teacher(None)  # negative control
    run(student, batch_in_views())
    assert torch.equal(
        student.head.terms['recorder'].seen[1].targets,
        student.head.terms['recorder'].seen[1].logits,
    )


def test_the_teacher_runs_once_a_micro_batch_over_the_weak_views_alone():
    student, teacher = student_and_teacher(nbel=0.5)  # NBEL takes two passes
    batches = []
    teacher.backbone.register_forward_hook(lambda module, args, out: batches.append(len(args[0])))
    passes = []
    student.backbone.register_forward_hook(lambda module, args, out: passes.append(len(args[0])))
    run(student, batch_in_views(), micro_batch_size=2)
    assert passes == [3, 4, 3] and batches == [2, 1]
    targets = [seen.targets[seen.views.taught()] for seen in student.head.terms['recorder'].seen]
    student, teacher = student_and_teacher()
    run(student, batch_in_views())
    [whole] = student.head.terms['recorder'].seen
    torch.testing.assert_close(
        torch.cat(targets[::-1]), whole.targets[PLACES]
    )  # the last micro-batch goes first


def test_the_teacher_does_not_change_and_does_not_change_the_statistics_of_the_student():
    student, teacher = student_and_teacher(nbel=0.5)
    before = copy.deepcopy(teacher.state_dict())
    run(student, batch_in_views(), micro_batch_size=2)
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())
    alone = make_model(nbel=0.5)
    run(alone, batch_in_views(), micro_batch_size=2)
    buffers = dict(alone.named_buffers())
    assert all(torch.equal(value, buffers[name]) for name, value in student.named_buffers())
    run(student, batch_in_views(seed=1))  # negative control
    assert not all(torch.equal(value, buffers[name]) for name, value in student.named_buffers())


def test_a_teacher_whose_targets_nobody_reads_does_not_run():
    student, _ = student_and_teacher()
    student.teacher.extract_feat = None
    run(student, make_batch([1, 2, 3]))
    with pytest.raises(TypeError):  # negative control
        run(student, make_batch([1, 2, None]))


def test_the_teacher_is_no_part_of_the_student():
    student, teacher = student_and_teacher()
    alone = make_model()
    assert student.state_dict().keys() == alone.state_dict().keys()
    assert [name for name, _ in student.named_parameters()] == [
        name for name, _ in alone.named_parameters()
    ]
    assert teacher not in list(student.modules())
    student.train()
    assert not teacher.training
    for twin in (copy.deepcopy(student), pickle.loads(pickle.dumps(student))):
        assert twin.teacher is None and student.teacher is teacher
        assert all(
            torch.equal(a, b) for a, b in zip(twin.parameters(), student.parameters(), strict=True)
        )


def test_a_teacher_beside_ddp(tmp_path):
    """The gradients of a student in DDP are those of the student alone."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/init', rank=0, world_size=1
    )
    try:
        results = []
        for wrap in (SemiSupDistributedDataParallel, lambda model: model):
            student, teacher = student_and_teacher(
                nbel=0.5, head=dict(terms=dict(fixmatch=FIXMATCH))
            )
            wrapped = wrap(student)
            wrapped.train_step(
                batch_in_views(),
                KeepGradients(2, optimizer=torch.optim.SGD(student.parameters(), lr=0.1)),
            )
            assert not any(
                parameter is mine
                for mine in teacher.parameters()
                for parameter in wrapped.parameters()
            )
            results.append(gradients(student))
    finally:
        torch.distributed.destroy_process_group()
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[1])
    student, _ = student_and_teacher(nbel=0.5, head=dict(terms=dict(fixmatch=FIXMATCH)))
    student.set_teacher(None)
    student.train_step(
        batch_in_views(), KeepGradients(2, optimizer=torch.optim.SGD(student.parameters(), lr=0.1))
    )
    assert not torch.equal(
        gradients(student)['head.fc.weight'], results[0]['head.fc.weight']
    )  # negative control
