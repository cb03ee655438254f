"""Terms and metrics are tried before the first step, and the run does not notice."""

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmpretrain.evaluation import Accuracy

from mmsemiloc.datasets import DigitScenes, SemiSupDataset, SemiSupSampler
from mmsemiloc.engine.checks.trial import check_topk, try_evaluation, try_loss
from tests.conftest import CLASSES, make_model

PACK = [dict(type='PackInputs')]


def collate(items):
    return dict(
        inputs=[item['inputs'] for item in items],
        data_samples=[item['data_samples'] for item in items],
    )


def loader_of(dataset, **kwargs):
    return torch.utils.data.DataLoader(dataset, 4, collate_fn=collate, **kwargs)


@pytest.fixture
def train_loader():
    """Images of 5 classes, labelled and not."""
    dataset = SemiSupDataset(
        DigitScenes(num_images=5, pipeline=PACK), DigitScenes(first=5, num_images=5, pipeline=PACK)
    )
    return loader_of(dataset, sampler=SemiSupSampler(dataset, 4, 0.5, seed=0))


def state(model):
    """Weights, buffers, and the next random number."""
    return [*(value.clone() for value in model.state_dict().values()), torch.get_rng_state()]


def test_a_term_whose_weight_is_0_is_tried_and_the_run_does_not_notice(train_loader):
    model = make_model(
        drop_rate=0.5,
        head=dict(
            loss_nbel=dict(
                type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=0.0, estimator='ema'
            )
        ),
    )
    model.train()
    before = state(model)
    try_loss(model, train_loader)
    assert (
        all(torch.equal(a, b) for a, b in zip(before, state(model), strict=True)) and model.training
    )
    assert model.head.terms['nbel'].running_mean.log_past is None
    assert [term.loss_weight for term in model.head.terms.values()] == [0.0] * 3

    wrong = make_model(
        head=dict(
            loss_nbel=dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=0.0, prior=[1, 2])
        )
    )
    with pytest.raises(
        ValueError, match='the loss cannot be computed: prior has 2 classes, cls_score has 5'
    ):
        try_loss(wrong, train_loader)
    batch = wrong.data_preprocessor(collate([train_loader.dataset[i] for i in (0, 5)]), True)
    wrong(**batch, mode='loss')  # negative control: with its weight of 0 nobody notices


def test_terms_of_views_need_views(train_loader):
    model = make_model(
        head=dict(terms=dict(fixmatch=dict(type='mmsemiloc.FixMatchLoss', loss_weight=0.0)))
    )
    with pytest.raises(ValueError, match='the loss cannot be computed: .*reads strong views'):
        try_loss(model, train_loader)


class Broken(BaseMetric):
    """Fails on what it is given."""

    def process(self, data_batch, data_samples):
        raise RuntimeError('no such thing')

    def compute_metrics(self, results):
        return {}


def test_metrics_are_tried_on_a_copy():
    model = make_model()
    loader, accuracy = loader_of(DigitScenes('val', num_images=4, pipeline=PACK)), Accuracy(topk=1)
    before = state(model)
    try_evaluation(model, loader, Evaluator([accuracy]), 'val')
    assert accuracy.results == [] and all(
        torch.equal(a, b) for a, b in zip(before, state(model), strict=True)
    )
    with pytest.raises(
        ValueError, match='val_evaluator: Broken cannot be computed: RuntimeError: no such thing'
    ):
        try_evaluation(model, loader, Evaluator([accuracy, Broken()]), 'val')


def test_a_top_k_of_more_than_all_classes():
    check_topk(Evaluator([Accuracy(topk=(1, CLASSES))]), CLASSES, 'test')
    with pytest.raises(
        ValueError, match=r'topk=\(1, 6\), but there are 5 classes: set test_evaluator.topk=1'
    ):
        check_topk(Evaluator([Accuracy(topk=(1, CLASSES + 1))]), CLASSES, 'test')
