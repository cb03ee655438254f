import pytest
import torch

from benchmarks.nbel_bias import bias_table, mel_cancelled, simulated_logits


def test_nbel_of_single_images_is_minus_mel_and_that_of_all_images_leaves_it_alone():
    logits = simulated_logits(256, 20).double()
    assert mel_cancelled(logits, 1) == pytest.approx(1, abs=1e-9)
    assert mel_cancelled(logits, 256) == pytest.approx(0, abs=1e-9)


def test_more_images_cancel_less_and_more_classes_need_more_of_them():
    table = bias_table([8, 64], [10, 100], num_images=2048)
    (few, more), (few_less, more_less) = ([float(x) for x in row[1:]] for row in table.rows)
    assert few > few_less and more > more_less and few < more and few_less < more_less
    assert table.columns == ['T', 'C = 10', 'C = 100'] and [row[0] for row in table.rows] == [
        '8',
        '64',
    ]


def test_simulated_predictions_are_as_described():
    q = simulated_logits(4096, 100).softmax(1)
    assert q.amax(1).mean().item() == pytest.approx(0.7, abs=0.05)
    frequent = (q.argmax(1) < 50).float().mean().item()
    assert frequent == pytest.approx(0.75, abs=0.03)


def test_batches_must_divide_the_images():
    with pytest.raises(ValueError, match='16 images, got 3'):
        mel_cancelled(torch.zeros(16, 4), 3)
