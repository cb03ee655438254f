import pytest
import torch
from mmengine.optim import OptimWrapper

from mmsemiloc.engine import AccumOptimWrapper
from mmsemiloc.models import NegativeBatchEntropyLoss, negative_batch_entropy
from mmsemiloc.models.losses import running_mean
from mmsemiloc.models.losses.running_mean import RunningMean
from tests.conftest import make_batch, make_model


def batches(count, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        2 * torch.randn(6, classes, dtype=torch.float64, generator=generator) for _ in range(count)
    ]


def slow_mixed_means(logits, momentum):
    """The definition, written out: weights (1 - m)^(n - i), divided by their sum."""
    means = [x.softmax(1).mean(0) for x in logits]
    for n in range(len(means)):
        weights = torch.tensor(
            [(1 - momentum) ** (n - i) for i in range(n + 1)], dtype=torch.float64
        )
        yield (weights[:, None] * torch.stack(means[: n + 1])).sum(0) / weights.sum()


@pytest.mark.parametrize('momentum', [0.03, 0.3, 1.0])
def test_value_and_gradient_are_those_of_the_mixed_mean(momentum):
    loss = NegativeBatchEntropyLoss(loss_weight=0.7, estimator='ema', momentum=momentum)
    logits = [x.requires_grad_() for x in batches(5)]
    for x, mixed in zip(
        logits, slow_mixed_means([x.detach() for x in logits], momentum), strict=True
    ):
        value = loss(x)
        assert value.item() == pytest.approx(0.7 * (mixed * mixed.log()).sum().item(), rel=1e-12)
        value.backward()
        gradient = torch.autograd.grad((0.7 * x.softmax(1).mean(0) * mixed.log()).sum(), x)[0]
        torch.testing.assert_close(x.grad, gradient, rtol=1e-10, atol=1e-14)


def test_without_memory_it_is_the_exact_loss_of_each_batch():
    loss = NegativeBatchEntropyLoss(estimator='ema', momentum=1.0)
    for x in batches(3):
        assert loss(x).item() == pytest.approx(negative_batch_entropy(x).item(), rel=1e-12)


def test_with_memory_it_is_not():
    """Negative control for the test above."""
    loss = NegativeBatchEntropyLoss(estimator='ema', momentum=0.3)
    values = [(loss(x) - negative_batch_entropy(x)).abs().item() for x in batches(3)]
    assert values[0] < 1e-12 < 1e-3 < values[1]


def test_a_long_memory_lowers_the_bias_of_small_batches():
    """Micro-batches of 8 confident, independent predictions of 50 equally likely classes: the
    entropy is log 50.
    """
    generator = torch.Generator().manual_seed(0)
    loss = NegativeBatchEntropyLoss(estimator='ema', momentum=1 / 64)
    labels = torch.randint(0, 50, (600, 8), generator=generator)
    logits = 50 * torch.nn.functional.one_hot(labels, 50).double()
    values = torch.tensor([[-loss(x).item(), -negative_batch_entropy(x).item()] for x in logits])[
        300:
    ].mean(0)
    truth = torch.tensor(50.0).log()
    images = 8 * (2 - 1 / 64) * 64
    assert truth - values[0] == pytest.approx(
        (50 - 1) / (2 * images), rel=0.3
    )  # the documented bias
    assert truth - values[1] > 1.5


def test_evaluation_mode_leaves_the_past_alone():
    mean = RunningMean(0.1)
    mean(torch.tensor([0.5, 0.5]).log())
    before = mean.log_past.clone()
    mean.eval()(torch.tensor([0.9, 0.1]).log())
    assert torch.equal(mean.log_past, before)


def test_classes_that_nobody_predicts_stay_finite():
    loss = NegativeBatchEntropyLoss(estimator='ema')
    for _ in range(3):
        x = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
        loss(x).backward()
        assert x.grad.isfinite().all()


def test_the_past_is_saved_and_loaded_without_an_entry_in_the_state_dict(tmp_path):
    losses = [NegativeBatchEntropyLoss(estimator='ema') for _ in range(3)]
    first, second, third = batches(3)
    losses[0](first), losses[0](second)
    torch.save(losses[0].state_dict(), tmp_path / 'state.pth')
    state = torch.load(tmp_path / 'state.pth', weights_only=True)
    assert not state
    losses[1].load_state_dict(state, strict=True)
    expected = losses[0](third)
    assert torch.equal(losses[1](third), expected)
    assert not torch.equal(losses[2](third), expected)  # negative control: a fresh one
    losses[0].load_state_dict(losses[2].eval().state_dict())
    assert torch.equal(losses[0].eval()(first), losses[2](first))


def test_another_number_of_classes_starts_anew(monkeypatch):
    messages = []
    monkeypatch.setattr(
        running_mean, 'print_log', lambda message, **kwargs: messages.append(message)
    )
    loss = NegativeBatchEntropyLoss(estimator='ema')
    loss(batches(1, classes=4)[0])
    x = batches(1, classes=3)[0]
    assert loss(x).item() == pytest.approx(negative_batch_entropy(x).item())
    assert len(messages) == 1 and 'has 4 classes, the model 3' in messages[0]


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(estimator='mean'), "'mean'"),
        (dict(estimator='ema', momentum=0), 'got 0'),
        (dict(estimator='ema', momentum=1.5), 'got 1.5'),
    ],
)
def test_bad_settings(kwargs, match):
    with pytest.raises(ValueError, match=match):
        NegativeBatchEntropyLoss(**kwargs)


def test_ema_trains_under_stock_accumulation_and_in_one_pass_over_micro_batches():
    model = make_model(
        head=dict(
            loss_nbel=dict(
                type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=0.5, estimator='ema'
            )
        )
    )
    forwards = []
    model.backbone.register_forward_hook(lambda *args: forwards.append(1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train_step(
        make_batch([0, None, 1, None, 2, None]), AccumOptimWrapper(2, optimizer=optimizer)
    )
    assert len(forwards) == 3
    wrapper = OptimWrapper(optimizer, accumulative_counts=2)
    for _ in range(2):
        model.train_step(make_batch([0, None]), wrapper)
    assert model.head.terms['nbel'].running_mean.log_past.logsumexp(
        0
    ).exp().item() == pytest.approx(1 - 0.9**5, rel=1e-5)
