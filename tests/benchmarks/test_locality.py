import torch

from benchmarks import locality as benchmark_locality
from benchmarks.locality import (
    Setting,
    group_by_group,
    group_table,
    half_spaces,
    in_turns,
    measure_groups,
    measure_step,
    share_table,
)
from mmsemiloc.models import locality_penalty
from tests.conftest import CLASSES, make_model


def test_reference_has_all_half_spaces_and_the_same_value():
    cam = torch.arange(1.0, 13).view(3, 4)
    parts = half_spaces(cam)
    assert len(parts) == 2 * (3 + 4)
    assert (
        len({tuple(part.flatten().tolist()) for part in parts}) == 2 * (3 + 4) - 3
    )  # the whole map is there 4 times
    assert {len(part.flatten()) for part in parts} == {3, 6, 9, 12, 4, 8}
    torch.testing.assert_close(group_by_group(cam), locality_penalty(cam))


def test_functions_take_turns_after_a_warm_up():
    calls = []
    times = in_turns(
        dict(a=lambda: calls.append('a'), b=lambda: calls.append('b')),
        turns=2,
        device='cpu',
        calls=2,
    )
    assert calls == ['a', 'a', 'b', 'b'] * 3 and [len(values) for values in times.values()] == [
        2,
        2,
    ]


def test_time_is_that_of_one_call(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(benchmark_locality.time, 'perf_counter', lambda: next(clock))
    assert in_turns(dict(a=lambda: next(clock)), turns=2, device='cpu', calls=4) == dict(
        a=[5 / 4, 5 / 4]
    )


def test_ratios_are_those_of_a_turn():
    times = dict(loop=[20e-6, 60e-6, 90e-6], ours=[10e-6, 20e-6, 10e-6], scale_free=[15e-6] * 3)
    assert group_table({7: times}, images=5).rows == [['7x7', '60', '10', '15', '3.0']]
    setting = Setting('cpu', image_size=32, micro_batch_size=2)
    table = share_table(
        dict(step=[1.0, 2.0, 1.0], penalty=[0.01, 0.01, 0.02], with_map=[0.1] * 3), setting
    )
    assert table.rows == [
        ['training step', '1000000', '100.00'],
        ['penalty', '10000', '1.00'],
        ['map and penalty', '100000', '10.00'],
    ]
    assert '2 images of 32 pixels' in table.title


def test_measurements(monkeypatch):
    monkeypatch.setattr(
        benchmark_locality, 'build_model', lambda setting: make_model(mel=1.0, nbel=1.0)
    )
    for times, names in (
        (measure_groups(3, images=2, turns=2, device='cpu'), ['loop', 'ours', 'scale_free']),
        (
            measure_step(Setting('cpu', 32, 2, num_classes=CLASSES), 2),
            ['step', 'penalty', 'with_map'],
        ),
    ):
        assert list(times) == names and all(
            len(values) == 2 and min(values) > 0 for values in times.values()
        )


def test_a_step_is_not_disturbed_by_the_measurement(monkeypatch):
    """The penalty's gradients do not stay with the model, where the next step would add them to its
    own.
    """
    model = make_model(mel=1.0, nbel=1.0)
    monkeypatch.setattr(benchmark_locality, 'build_model', lambda setting: model)
    measure_step(Setting('cpu', 32, 2, num_classes=CLASSES), 1)
    assert all(p.grad is None for p in model.parameters())
