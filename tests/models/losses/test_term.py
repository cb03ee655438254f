"""The base classes of terms: what they do for a term of one's own."""

import pytest
import torch

from mmsemiloc.models import EffectiveBatch, MeanEntropyLoss, Term
from tests.conftest import make_predictions, term_values

LOGITS = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


class Mean(Term):
    """The mean class score, and the number of views as a diagnostic."""

    def compute(self, predictions):
        return {
            'loss_mean': predictions.logits.mean(),
            'views': torch.tensor(float(len(predictions))),
        }


def test_losses_are_weighted_and_diagnostics_are_not():
    values = term_values(Mean(0.5), make_predictions(LOGITS, [1] * 5))
    assert values['views'] == 5
    torch.testing.assert_close(values['loss_mean'], 0.5 * LOGITS.mean())


def test_the_base_chooses_the_views():
    labeled = [True, False, True]
    predictions = make_predictions(LOGITS, [2, 2, 1], labeled)  # 3 weak views, then 2 strong ones
    values = term_values(Mean(views='strong', unlabeled=True), predictions)
    torch.testing.assert_close(values['loss_mean'], LOGITS[4].mean())
    assert values['views'] == 1


def test_a_micro_batch_without_the_views_gives_nothing():
    whole = make_predictions(LOGITS, [1] * 5, [True, True, False, False, False])
    batch = EffectiveBatch.of(whole.views, torch.device('cpu'))
    parts = [whole.at(torch.tensor(places)) for places in ([0, 1], [2, 3, 4])]
    values = [Mean(unlabeled=True).losses(part, batch) for part in parts]
    assert values[0] == {}
    torch.testing.assert_close(values[1]['loss_mean'], LOGITS[2:].mean())


def test_a_mean_that_is_read_without_being_declared_is_an_error():
    class Sneaky(Term):
        def compute(self, predictions):
            return {'loss': predictions.log_mean.sum()}

    predictions = make_predictions(LOGITS, [1] * 5)
    with pytest.raises(ValueError, match='without declaring it: set reads_mean = True'):
        term_values(Sneaky(), predictions)
    Sneaky.reads_mean = True  # negative control
    expected = LOGITS.softmax(1).mean(0).log().sum()
    torch.testing.assert_close(term_values(Sneaky(), predictions)['loss'], expected)


def test_a_schedule_that_nobody_follows_is_an_error():
    term = MeanEntropyLoss(0.8, schedule=dict(begin=0.5))
    predictions = make_predictions(LOGITS, [1] * 5)
    with pytest.raises(ValueError, match='MeanEntropyLoss has a schedule, .*LossScheduleHook'):
        term_values(term, predictions)
    term_values(term.eval(), predictions)  # a trial before the first step
    term.train().set_time(3, 4)
    torch.testing.assert_close(
        term_values(term, predictions)['loss_mel'], MeanEntropyLoss(0.8)(LOGITS)
    )


@pytest.mark.parametrize('weight', [-1, float('nan'), float('inf'), '1'])
def test_bad_weights(weight):
    with pytest.raises(ValueError, match='loss_weight'):
        Mean(weight)
