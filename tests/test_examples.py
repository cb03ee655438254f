"""The examples in docstrings give what they say."""

import csv
import doctest
import importlib
import re
from pathlib import Path

import pytest

import mmsemiloc
from tests.pets import COLOURS, save_colour

ROOT = Path(mmsemiloc.__file__).parent
MODULES = [
    '.'.join(('mmsemiloc', *path.relative_to(ROOT).with_suffix('').parts))
    for path in sorted(ROOT.rglob('*.py'))
    if re.search(r'^ +>>> ', path.read_text(), re.MULTILINE) and '.mim' not in path.parts
]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
FITTED = ('mmsemiloc.few_labels.classifier', 'mmsemiloc.few_labels.fit')


def examples(name):
    """The examples of a module, by what they belong to."""
    module = importlib.import_module(name)
    found = doctest.DocTestFinder(exclude_empty=True).find(module, name)
    return {test.name: test for test in found if test.examples}


def run(test):
    """How many of the examples of a docstring fail."""
    return doctest.DocTestRunner(optionflags=FLAGS).run(test).failed


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """A folder ``photos`` of three kinds with ``labels.csv``, and what was fitted to them."""
    folder = tmp_path_factory.mktemp('examples')
    rows = [('file', 'label')]
    for number in range(24):
        kind = list(COLOURS)[number % 3]
        save_colour(folder / 'photos' / f'{number}.png', kind, (60, 80), seed=number)
        if number < 12:
            rows.append((f'{number}.png', kind))
    with (folder / 'labels.csv').open('w', newline='') as file:
        csv.writer(file).writerows(rows)

    mmsemiloc.fit(
        folder / 'photos',
        folder / 'labels.csv',
        work_dir=folder / 'work_dirs' / 'fit',
        cache=folder / 'cache',
        say=lambda line: None,
    )
    return folder


@pytest.mark.parametrize('name', [name for name in MODULES if name not in FITTED])
def test_examples_are_right(name):
    assert [key for key, test in examples(name).items() if run(test)] == []


@pytest.mark.parametrize('name', FITTED)
def test_examples_of_fit_are_right(name, photos, monkeypatch):
    monkeypatch.chdir(photos)
    monkeypatch.setenv('MMSEMILOC_CACHE', str(photos / 'cache'))
    assert [key for key, test in examples(name).items() if run(test)] == []


def test_the_public_functions_have_examples():
    places = examples(FITTED[0]) | examples(FITTED[1])
    wanted = [f'{FITTED[0]}.Classifier.{part}' for part in ('load', 'maps', 'predict', 'save')]
    assert sorted(places) == [*wanted, f'{FITTED[1]}.fit']


def test_a_wrong_example_would_be_found():
    wrong = doctest.DocTestParser().get_doctest('>>> 1 + 1\n3\n', {}, 'wrong', None, None)
    runner = doctest.DocTestRunner(verbose=False)
    assert runner.run(wrong, out=lambda text: None).failed == 1
