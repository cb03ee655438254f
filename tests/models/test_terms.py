"""Further terms of the head: configs, schedules, priors and checkpoints."""

import pytest
import torch
from mmengine.runner import load_checkpoint, save_checkpoint

from mmsemiloc.engine import LossScheduleHook, SemiSupSetupHook
from mmsemiloc.models import FixMatchLoss
from mmsemiloc.registry import MODELS
from tests.conftest import KeepGradients, gradients, make_batch, make_model, with_views
from tests.engine.fake_runner import FakeRunner
from tests.engine.hooks.test_setup_hook import loader, runner_with_terms
from tests.models.test_semi_sup_classifier import scores, stock_classifier

TERMS = dict(
    pseudo=dict(type='mmsemiloc.PseudoLabelLoss', threshold=0.3),
    fixmatch=dict(
        type='mmsemiloc.FixMatchLoss', threshold=0.3, alignment=dict(prior=[1, 2, 3, 4, 5])
    ),
    soft=dict(type='mmsemiloc.SoftConsistencyLoss', alignment={}),
    transform=dict(type='mmsemiloc.TransformConsistencyLoss'),
)
LABELS = [2, None, None, 0]


def model_with(terms=TERMS, **kwargs):
    return make_model(mel=0.3, nbel=0.2, locality=0.1, head=dict(terms=terms), **kwargs)


def step(model, batch=None):
    """Logs of one training step, whose gradients stay."""
    batch = batch or with_views(make_batch(LABELS), [1, 2, 2, 1])
    return model.train_step(
        batch, KeepGradients(optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    )


def test_terms_are_named_by_the_config_and_summed():
    model = model_with()
    assert list(model.head.terms) == ['mel', 'nbel', 'locality', *TERMS]
    log = step(model)
    losses = {key: value.item() for key, value in log.items() if key.startswith('loss_')}
    names = (
        'ce',
        'mel',
        'nbel',
        'locality',
        'pseudo_label',
        'fixmatch',
        'consistency',
        'transform',
    )
    assert set(losses) == {f'loss_{name}' for name in names}
    assert log['loss'].item() == pytest.approx(sum(losses.values()), rel=1e-5)


def test_the_paper_s_terms_may_be_given_as_terms():
    mel = dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.3)
    one, other = (
        make_model(head=dict(loss_mel=mel)),
        make_model(head=dict(loss_mel=None, terms=dict(mel=mel))),
    )
    step(one), step(other)
    assert all(torch.equal(grad, gradients(other)[name]) for name, grad in gradients(one).items())


def test_a_term_that_is_given_twice_is_refused():
    with pytest.raises(ValueError, match=r"terms \['mel'\] of CAMClsHead are given twice"):
        model_with(dict(mel=dict(type='mmsemiloc.MeanEntropyLoss')))


@pytest.mark.parametrize('kind', ['mmsemiloc.DistributionAlignment', 'mmpretrain.CrossEntropyLoss'])
def test_modules_that_are_not_terms_are_refused(kind):
    with pytest.raises(
        ValueError,
        match=rf"term 'own' of CAMClsHead is a {kind.split('.')[1]}, .*mmsemiloc.models.Term",
    ):
        model_with(dict(own=dict(type=kind)))


def test_weight_zero_is_not_computed(monkeypatch):
    def fail(self, pairs):
        raise AssertionError('computed')

    monkeypatch.setattr(FixMatchLoss, 'compute', fail)
    model = model_with()
    with pytest.raises(AssertionError, match='computed'):  # negative control
        step(model)
    model.head.terms['fixmatch'].loss_weight = 0
    assert 'loss_fixmatch' not in step(model)
    for name in TERMS:
        model.head.terms[name].loss_weight = 0
    step(model, make_batch(LABELS))  # images in one view each do


def test_without_further_terms_all_is_as_in_a_head_that_knows_none():
    """Also random numbers: dropout is on."""
    results = []
    for terms in (None, {}, {name: {**cfg, 'loss_weight': 0} for name, cfg in TERMS.items()}):
        model = model_with(terms, drop_rate=0.3)
        torch.manual_seed(1)
        log = step(model, make_batch(LABELS))
        results.append({**gradients(model), **dict(model.named_buffers()), **log})
    for other in results[1:]:
        assert results[0].keys() <= other.keys()
        assert all(torch.equal(value, other[name]) for name, value in results[0].items())


def test_the_schedule_drives_them():
    schedules = dict(fixmatch=dict(begin=2 / 8, end=4 / 8), transform=dict(begin=1 / 8))
    terms = {name: dict(cfg, schedule=schedules.get(name)) for name, cfg in TERMS.items()}
    runner = FakeRunner(model_with(terms), max_iters=8)
    hook = LossScheduleHook()
    hook.before_train(runner)
    seen = []
    for runner.iter in range(5):
        hook.before_train_iter(runner, 0)
        weights = [runner.scalar(f'weight_{name}') for name in ('fixmatch', 'transform')]
        seen.append((*weights, 'loss_fixmatch' in step(runner.model)))
    assert seen == [(0, 0, False), (0, 1, False), (0, 1, False), (0.5, 1, True), (1, 1, True)]


def test_labeled_prior_of_an_alignment_inside_a_term():
    term = MODELS.build(dict(type='mmsemiloc.FixMatchLoss', alignment=dict(prior='labeled')))
    SemiSupSetupHook().before_train(runner_with_terms(dict(fixmatch=term), loader()))
    expected = torch.tensor([2, 2, 2, 1, 1, 1, 1, 1, 1, 1], dtype=torch.float64) / 13
    torch.testing.assert_close(term.alignment.log_prior.exp(), expected)


# --- Checkpoints


def running_means(model):
    return [model.head.terms[name].alignment.running_mean.log_past for name in ('fixmatch', 'soft')]


def test_a_checkpoint_with_all_terms_loads_strictly_into_the_stock_classifier_and_back(tmp_path):
    ours, stock = model_with(), stock_classifier()
    step(ours)
    save_checkpoint(dict(state_dict=ours.state_dict(), meta={}), str(tmp_path / 'model.pth'))
    load_checkpoint(stock, str(tmp_path / 'model.pth'), strict=True)
    assert torch.equal(scores(ours, make_batch([None] * 4)), scores(stock, make_batch([None] * 4)))
    model_with(seed=1).load_state_dict(stock.state_dict(), strict=True)


def test_a_checkpoint_brings_the_running_means_of_alignments(tmp_path):
    first, second, fresh = model_with(), model_with(seed=1), model_with()
    step(first)
    save_checkpoint(dict(state_dict=first.state_dict(), meta={}), str(tmp_path / 'model.pth'))
    assert running_means(second) == [None, None]
    load_checkpoint(second, str(tmp_path / 'model.pth'), strict=True)
    for saved, loaded in zip(running_means(first), running_means(second), strict=True):
        torch.testing.assert_close(saved.double(), loaded, rtol=0, atol=0)
    # The next step is that of the run that was saved; without the running means it is another one.
    batch = with_views(make_batch(LABELS, seed=3), [1, 2, 2, 1])
    fresh.load_state_dict(dict(first.state_dict()), strict=True)  # a plain dict has no metadata
    logs = [
        step(model, {key: list(value) for key, value in batch.items()})
        for model in (first, second, fresh)
    ]
    assert logs[0]['loss_consistency'] == logs[1]['loss_consistency'] != logs[2]['loss_consistency']
