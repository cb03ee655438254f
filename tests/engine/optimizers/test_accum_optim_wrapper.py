from functools import partial

import pytest
import torch
from mmengine.optim import OptimWrapper

from mmsemiloc.engine import AccumOptimWrapper
from mmsemiloc.engine.optimizers.accum_optim_wrapper import add_logs, split_batch
from mmsemiloc.models import negative_batch_entropy
from tests.conftest import KeepGradients, gradients, in_double, make_batch, make_model

LABELS = [0, None, 3, None, None, 1, None, 2, None, None]


def one_step(model, size, labels=LABELS, wrapper=KeepGradients):
    log = in_double(model).train_step(
        make_batch(labels), wrapper(size, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    )
    return gradients(model), {key: value.item() for key, value in log.items()}


@pytest.mark.parametrize('size', [1, 2, 3, 4, 7, 10, 100])
def test_micro_batches_give_the_gradients_of_the_whole_batch(size):
    expected, expected_log = one_step(make_model(mel=0.8, locality=0.1), None)
    actual, log = one_step(make_model(mel=0.8, locality=0.1), size)
    assert expected.keys() == actual.keys() and expected
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], rtol=1e-10, atol=1e-13)
    assert log == pytest.approx(expected_log, rel=1e-10)


def test_means_of_micro_batch_means_differ():
    """Negative control: the labelled images are not spread evenly, so a plain mean over
    micro-batches is another loss.
    """
    expected, _ = one_step(make_model(mel=0.8), None)
    parts = [one_step(make_model(mel=0.8), None, labels)[0] for labels in (LABELS[:4], LABELS[4:])]
    wrong = (parts[0]['head.fc.weight'] + parts[1]['head.fc.weight']) / 2
    assert (wrong - expected['head.fc.weight']).abs().max() > 1e-3


@pytest.mark.parametrize('size, group', [(2, 2), (2, 4), (1, 3), (2, 10)])
def test_nbel_of_groups_is_their_mean_weighted_by_images(size, group):
    model = in_double(make_model(nbel=0.5))
    batch = model.data_preprocessor(make_batch(LABELS), True)
    logits = model.head(model.extract_feat(batch['inputs']))
    nbel = sum(
        negative_batch_entropy(part) * len(part) / len(logits) for part in logits.split(group)
    )
    labeled = [i for i, label in enumerate(LABELS) if label is not None]
    target = torch.tensor([LABELS[i] for i in labeled])
    (torch.nn.functional.cross_entropy(logits[labeled], target) + 0.5 * nbel).backward()
    expected = gradients(model)
    actual, log = one_step(
        make_model(nbel=0.5), size, wrapper=partial(KeepGradients, nbel_batch_size=group)
    )
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], rtol=1e-9, atol=1e-12)
    assert log['loss_nbel'] == pytest.approx(0.5 * nbel.item(), rel=1e-10)


def test_what_is_logged_holds_no_graph():
    """A graph would keep memory of every micro-batch until the end of the step."""
    model, batch = make_model(mel=0.8, nbel=0.5, locality=0.1), make_batch(LABELS)
    log = model.train_step(
        batch, KeepGradients(2, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    )
    assert len(log) == 6 and not any(value.requires_grad for value in log.values())


def test_one_iteration_is_one_optimizer_step():
    model = make_model(mel=0.1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps = []
    optimizer.register_step_post_hook(lambda *args: steps.append(1))
    in_double(model).train_step(make_batch(LABELS), AccumOptimWrapper(3, optimizer=optimizer))
    assert len(steps) == 1 and not gradients(model)


def test_without_micro_batches_it_is_the_stock_wrapper():
    weights = []
    for wrapper in (OptimWrapper, AccumOptimWrapper):
        model = make_model(mel=0.8, nbel=0.5, locality=0.1)
        in_double(model)
        model.train_step(
            make_batch(LABELS), wrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
        )
        weights.append(model.state_dict())
    for a, b in zip(*(w.values() for w in weights), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_stock_training_step_is_refused():
    model = make_model()
    wrapper = AccumOptimWrapper(2, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(RuntimeError, match='SemiSupDistributedDataParallel'):
        wrapper.update_params(model.head.fc.weight.sum())


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(micro_batch_size=0), 'got 0'),
        (dict(accumulative_counts=4), 'accumulative_counts=4'),
        (dict(nbel_batch_size=8), 'micro_batch_size=None, got 8'),
        (dict(micro_batch_size=4, nbel_batch_size=6), 'multiple of micro_batch_size=4, got 6'),
        (dict(micro_batch_size=4, nbel_batch_size=0), 'got 0'),
    ],
)
def test_bad_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        AccumOptimWrapper(
            **kwargs, optimizer=torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        )


def test_split_batch():
    batch = make_batch(LABELS)
    parts = split_batch(batch, 4)
    assert [len(p['data_samples']) for p in parts] == [4, 4, 2]
    assert sum((p['inputs'] for p in parts), []) == batch['inputs']
    assert split_batch(dict(inputs=torch.zeros(5, 3), data_samples=[1] * 5), None)[0][
        'inputs'
    ].shape == (5, 3)


def test_add_logs():
    assert add_logs(
        [
            dict(loss=torch.tensor(1.0), acc=torch.tensor(30.0)),
            dict(loss=torch.tensor(4.0), acc=torch.tensor(20.0)),
        ]
    ) == dict(loss=5, acc=50)
