import pytest
import torch
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

from mmsemiloc.engine import AccumOptimWrapper
from tests.conftest import CLASSES, make_batch, make_model


def stock_classifier():
    """The plain mmpretrain classifier of the same architecture."""
    return MMPRETRAIN_MODELS.build(
        dict(
            type='ImageClassifier',
            data_preprocessor=dict(mean=[128] * 3, std=[64] * 3, num_classes=CLASSES),
            backbone=dict(type='DenseNet', arch=dict(growth_rate=4, depths=[2, 2], init_channels=8)),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=CLASSES, in_channels=16)))


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
    log = model.train_step(make_batch([1, None, 2, None]), OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1)))
    assert set(log) == {'loss', 'loss_ce', 'loss_mel', 'loss_nbel', 'loss_locality', 'acc_labeled'}
    assert log['loss'].item() == pytest.approx(sum(v.item() for k, v in log.items() if k.startswith('loss_')), rel=1e-5)
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
    with pytest.raises(RuntimeError, match='works only with model type mmsemiloc.SemiSupClassifier'):
        model.train_step(make_batch([0, 1, 2, 3]), AccumOptimWrapper(2, optimizer=optimizer))


def test_other_heads_are_refused():
    from mmsemiloc.models import SemiSupClassifier
    with pytest.raises(ValueError, match='LinearClsHead'):
        SemiSupClassifier(
            backbone=dict(type='DenseNet', arch=dict(growth_rate=4, depths=[2], init_channels=8)),
            head=dict(type='LinearClsHead', num_classes=2, in_channels=16))
