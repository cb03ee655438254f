"""Names of classes do not cover each other."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mmsemiloc.visualization import plots


def name_labels(monkeypatch, names):
    """The labels below a confusion matrix, as they are drawn."""
    figures = []
    monkeypatch.setattr(plots, 'to_png', lambda figure: figures.append(figure) or b'')
    plots.confusion_plot(np.eye(len(names)), names)
    FigureCanvasAgg(figures[0]).draw()
    return figures[0].axes[0].get_xticklabels()


@pytest.mark.parametrize('names', [['cat', 'dog'], list('0123456789'), ['hedgehog'] * 5])
def test_short_names_lie_level_and_apart(monkeypatch, names):
    labels = name_labels(monkeypatch, names)
    boxes = [label.get_window_extent() for label in labels]
    assert all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:], strict=False))
    assert {label.get_rotation() for label in labels} == {0}


@pytest.mark.parametrize('names', [['T-shirt/top'] * 10, ['golden retriever'] * 3])
def test_long_names_lie_askew(monkeypatch, names):
    assert {label.get_rotation() for label in name_labels(monkeypatch, names)} == {45}
