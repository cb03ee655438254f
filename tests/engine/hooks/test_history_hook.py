"""Histories of logged numbers: bounded in memory and in checkpoints, with the same means."""

import pickle

import pytest
from mmengine.logging import MessageHub
from mmengine.runner import LogProcessor

from mmsemiloc.engine import HistoryHook
from mmsemiloc.engine.hooks.history_hook import bound, values_needed
from tests.engine.fake_runner import FakeRunner


def train(steps, hook=None, hub=None, processor=None):
    """A hub after so many steps, with two numbers, one of which comes later."""
    runner = FakeRunner(None, train_loop=None, max_iters=steps)
    runner.message_hub = hub or MessageHub(f'hub {steps} {hook} {id(runner)}')
    runner.log_processor = processor or LogProcessor(window_size=10)
    if hook:
        hook.before_train(runner)
    for step in range(steps):
        runner.message_hub.update_scalar('train/loss', float(step))
        if step > 3:
            runner.message_hub.update_scalar('train/late', float(step))
        if hook:
            hook.after_train_iter(runner, step)
    return runner.message_hub


def size(hub):
    return len(pickle.dumps(hub.state_dict()))


def test_what_is_kept_and_saved_does_not_grow():
    hubs = [train(steps, HistoryHook(keep=50)) for steps in (100, 2000)]
    for hub in hubs:
        assert all(len(history.data[0]) == 50 for history in hub.log_scalars.values())
    assert abs(size(hubs[0]) - size(hubs[1])) < 100
    assert size(train(2000)) > 10 * size(hubs[1])  # negative control


def test_the_last_values_are_kept():
    with_hook, without = train(300, HistoryHook(keep=50)), train(300)
    for name, history in with_hook.log_scalars.items():
        other = without.log_scalars[name]
        assert history.data[0].tolist() == other.data[0][-50:].tolist()
        assert history.data[1].tolist() == other.data[1][-50:].tolist()
        assert history.mean(50) == other.mean(50) and history.current() == other.current()
    assert without.get_scalar('train/loss').mean() != with_hook.get_scalar('train/loss').mean()


def test_a_long_history_of_a_resumed_run_is_shortened():
    hub = train(2000)
    train(1, HistoryHook(keep=50), hub)
    assert len(hub.get_scalar('train/loss').data[0]) == 50
    assert hub.get_scalar('train/loss').current() == 0


def custom(window):
    return dict(data_src='loss', window_size=window, method_name='max', log_name='largest')


@pytest.mark.parametrize(
    'windows, epoch, needed',
    [
        ([], None, 10),
        ([500, 20], None, 500),
        (['epoch'], 70, 70),
        (['epoch', 90], 70, 90),
        (['epoch'], None, None),
        (['global', 5], 70, None),
    ],
)
def test_as_many_values_are_kept_as_the_log_reads(windows, epoch, needed):
    processor = LogProcessor(window_size=10)
    processor.custom_cfg = [custom(window) for window in windows]
    assert values_needed(processor, epoch) == needed

    if epoch is None:
        hub = train(600, HistoryHook(keep=50), processor=processor)
        kept = len(hub.get_scalar('train/loss').data[0])
        assert kept == (600 if needed is None else max(50, needed))


def test_histories_that_are_bounded_stay_the_same_objects():
    hub = train(100)
    bound(hub, 50)
    before = dict(hub.log_scalars)
    bound(hub, 50)
    assert all(hub.log_scalars[name] is history for name, history in before.items())


@pytest.mark.parametrize('keep', [0, 1.5, None])
def test_bad_settings(keep):
    with pytest.raises(ValueError, match=f'keep of HistoryHook.*got {keep}'):
        HistoryHook(keep)
