import pytest

from benchmarks import nbel as benchmark_nbel
from benchmarks.nbel import (
    MODES,
    Setting,
    cost_model,
    make_batch,
    make_step,
    memory_table,
    time_table,
)
from tests.conftest import CLASSES, make_model

SETTING = Setting('cpu', image_size=32, micro_batch_size=2, num_classes=CLASSES)


def test_modes_differ_in_passes_only():
    passes = {}
    for mode in MODES:
        model = make_model(mel=1.0, nbel=1.0)
        sizes = []
        model.backbone.register_forward_hook(
            lambda module, args, out, sizes=sizes: sizes.append(len(args[0]))
        )
        make_step(SETTING, model, mode)(make_batch(SETTING, 4))
        passes[mode] = sizes
    assert passes == {'plain': [2] * 4, 'exact': [2] * 7, 'big': [8]}


def test_cost_model():
    assert (
        cost_model(1) == 1
        and cost_model(4) == 15 / 12
        and cost_model(10**6) == pytest.approx(4 / 3)
    )


def test_tables_are_ratios_within_a_turn():
    times = {
        (2, 'plain'): [1.0, 10.0, 2.0],
        (2, 'exact'): [1.5, 12.0, 2.8],
        (2, 'big'): [0.5, None, 1.0],
    }
    assert time_table(SETTING, times).rows == [['2', '2.000', '1.40', '1.17', 'too large']]
    peaks = {
        (1, 'plain'): 50.0,
        (1, 'exact'): 51.0,
        (1, 'big'): 50.0,
        (4, 'plain'): 52.0,
        (4, 'exact'): 55.0,
        (4, 'big'): None,
    }
    table = memory_table(SETTING, peaks)
    assert table.rows == [['1', '1.00', '1.02', '1.00'], ['4', '1.04', '1.10', 'too large']]
    assert '50 MiB' in table.title and '2 images of 32 pixels' in table.title


def test_a_big_batch_of_more_than_a_laptop_has_is_left_out():
    large = Setting('cpu', image_size=224, micro_batch_size=4)
    assert benchmark_nbel.peak_mib(large, 16, 'big') is None and benchmark_nbel.too_large(
        large, 9, 'big'
    )
    assert not benchmark_nbel.too_large(large, 8, 'big') and not benchmark_nbel.too_large(
        large, 16, 'exact'
    )


def test_memory_of_the_exact_form_is_that_of_plain_accumulation_and_does_not_grow(monkeypatch):
    monkeypatch.setattr(
        benchmark_nbel, 'build_model', lambda setting: make_model(mel=1.0, nbel=1.0)
    )
    peaks = benchmark_nbel.measure_memory(SETTING, [2, 16])
    assert peaks[2, 'exact'] == pytest.approx(peaks[2, 'plain'], rel=0.01)
    assert peaks[16, 'exact'] == pytest.approx(peaks[2, 'exact'], rel=0.02)
    assert peaks[16, 'big'] > 5 * peaks[2, 'exact']  # negative control


def test_times(monkeypatch):
    monkeypatch.setattr(
        benchmark_nbel, 'build_model', lambda setting: make_model(mel=1.0, nbel=1.0)
    )
    times = benchmark_nbel.measure_time(SETTING, [1, 2], repeats=2)
    assert (
        all(len(values) == 2 and min(values) > 0 for values in times.values()) and len(times) == 6
    )
