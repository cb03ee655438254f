"""From a folder of photographs to a classifier that the other tools take."""

import csv
import subprocess
import sys

import numpy as np
import pytest

import mmsemiloc
from mmsemiloc.few_labels.fit import fit
from mmsemiloc.few_labels.learning import taking_part
from mmsemiloc.few_labels.photo_maps import evenly
from tests.pets import COLOURS, ROOT, save_colour


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """Three kinds of photographs, 4 of each with a label and 6 without; one is broken."""
    folder = tmp_path_factory.mktemp('photos')
    rows = [('file', 'label')]
    for number in range(30):
        kind = list(COLOURS)[number % 3]
        name = f'{number}.png'
        save_colour(folder / 'all' / name, kind, (60, 80), seed=number)
        if number < 12:
            rows.append((name, kind))
    (folder / 'all' / 'broken.png').write_bytes(b'no picture')
    (folder / 'all' / 'copy.png').write_bytes((folder / 'all' / '20.png').read_bytes())
    with (folder / 'labels.csv').open('w', newline='') as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope='module')
def fitted(photos):
    """The classifier, the folder of results, and what was said."""
    said = []
    work_dir = photos / 'result'
    classifier = mmsemiloc.fit(
        photos / 'all',
        photos / 'labels.csv',
        work_dir=work_dir,
        cache=photos / 'cache',
        say=said.append,
    )
    return classifier, work_dir, said


def kinds(folder):
    """Path and true class of each photograph."""
    files = [folder / 'all' / f'{number}.png' for number in range(30)]
    return files, [list(COLOURS)[number % 3] for number in range(30)]


def test_all_photographs_are_predicted_rightly(photos, fitted):
    classifier, work_dir, said = fitted
    files, names = kinds(photos)
    found = classifier.predict(files)
    assert classifier.classes == ('cat', 'dog', 'ferret')
    assert [one.label for one in found] == names
    assert all(one.confidence == one.probabilities.max() for one in found)

    with (work_dir / 'predictions.csv').open() as file:
        rows = {row['file'].rpartition('/')[2]: row['class'] for row in csv.DictReader(file)}
    assert rows == {file.name: name for file, name in list(zip(files, names, strict=True))[12:]}


def test_it_says_what_it_found_and_leaves_out(fitted):
    _, work_dir, said = fitted
    text = '\n'.join(said)
    assert '12 labelled images of 3 classes, and 20 unlabelled ones' in text
    assert 'Left out: 1 file (unlabelled, cannot be read).' in text
    assert 'Left out: 1 file (unlabelled, a copy of another one).' in text
    assert 'Accuracy 100.0 %, 95 % interval 75.' in text
    page = (work_dir / 'report.html').read_text()
    assert 'broken.png' in page and 'cat' in page


def test_the_classifier_in_the_checkpoint_is_the_one_that_was_trained(fitted):
    """Its probabilities are those of the features, which the csv has."""
    classifier, work_dir, _ = fitted
    with (work_dir / 'predictions.csv').open() as file:
        rows = list(csv.DictReader(file))
    found = classifier.predict([row['file'] for row in rows])
    for row, one in zip(rows, found, strict=True):
        assert one.label == row['class']
        assert one.confidence == pytest.approx(float(row['confidence']), abs=2e-3)


def test_arrays_and_files_give_the_same_and_maps_have_the_size_of_the_input(photos, fitted):
    from mmcv import imread

    classifier, _, _ = fitted
    file = photos / 'all' / '3.png'
    one, two = classifier.predict(str(file)), classifier.predict(imread(file))
    np.testing.assert_allclose(one[0].probabilities, two[0].probabilities, rtol=1e-5)
    (cam,) = classifier.maps(file)
    assert cam.shape == (224, 224)


def test_it_is_saved_and_loaded(fitted, photos, tmp_path):
    classifier, _, _ = fitted
    classifier.save(tmp_path / 'copy')
    again = mmsemiloc.Classifier.load(tmp_path / 'copy')
    files = [photos / 'all' / '1.png', photos / 'all' / '2.png']
    for one, two in zip(classifier.predict(files), again.predict(files), strict=True):
        np.testing.assert_array_equal(one.probabilities, two.probabilities)


@pytest.mark.parametrize(
    'images, match',
    [
        ('missing.png', 'cannot read image 0, missing.png'),
        (np.zeros((4, 4), np.uint8), r'image 0 must be an array \(H, W, 3\) of uint8, got shape'),
        (np.zeros((4, 4, 3)), 'image 0 must be an array .* of float64'),
    ],
)
def test_what_is_no_image_is_named(fitted, images, match):
    with pytest.raises(ValueError, match=match):
        fitted[0].predict(images)


def test_a_second_run_computes_nothing_and_gives_the_same(photos, fitted, tmp_path, monkeypatch):
    def never(*args):
        raise AssertionError('features were computed again')

    monkeypatch.setattr('mmsemiloc.few_labels.features.FeatureExtractor._rows', never)
    fit(
        photos / 'all',
        photos / 'labels.csv',
        work_dir=tmp_path,
        cache=photos / 'cache',
        say=lambda line: None,
    )
    name = 'predictions.csv'
    assert (tmp_path / name).read_text() == (fitted[1] / name).read_text()


def test_the_same_image_with_two_labels_is_refused(photos, tmp_path):
    folder = tmp_path / 'all'
    for kind in ('cat', 'dog'):
        for number in range(2):
            save_colour(folder / kind / f'{number}.png', kind, seed=number)
    (folder / 'dog' / '7.png').write_bytes((folder / 'cat' / '1.png').read_bytes())
    with pytest.raises(ValueError, match="are the same image, but one is labelled 'cat' and the"):
        fit(folder, work_dir=tmp_path / 'out', cache=tmp_path / 'cache', say=lambda line: None)


def test_a_labelled_copy_is_said(photos, tmp_path):
    folder = tmp_path / 'all'
    for kind in ('cat', 'dog'):
        for number in range(3):
            save_colour(folder / kind / f'{number}.png', kind, seed=number)
    (folder / 'dog' / '7.png').write_bytes((folder / 'dog' / '1.png').read_bytes())
    said = []
    fit(folder, work_dir=tmp_path / 'out', cache=photos / 'cache', say=said.append)
    assert 'Left out: 1 file (labelled, a copy of another labelled one).' in said


def test_configs_that_are_not_installed_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr('mmsemiloc.few_labels.backbones.CONFIGS', tmp_path)
    with pytest.raises(ValueError, match='has no configs: install mmsemiloc with pip'):
        fit(tmp_path)


def test_copies_of_one_labelled_image_are_one(tmp_path):
    folder = tmp_path / 'all'
    for kind in ('cat', 'dog'):
        for number in range(2):
            save_colour(folder / kind / f'{number}.png', kind, seed=number)
    (folder / 'dog' / '1.png').write_bytes((folder / 'dog' / '0.png').read_bytes())
    with pytest.raises(ValueError, match="all labelled images of 'dog' are copies of one image"):
        fit(folder, work_dir=tmp_path / 'out', cache=tmp_path / 'cache', say=lambda line: None)


def test_a_labelled_image_that_cannot_be_read_is_refused(tmp_path):
    folder = tmp_path / 'all'
    for kind in ('cat', 'dog'):
        for number in range(2):
            save_colour(folder / kind / f'{number}.png', kind, seed=number)
    (folder / 'dog' / '7.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match='cannot read the labelled image .*7.png'):
        fit(folder, work_dir=tmp_path / 'out', cache=tmp_path / 'cache', say=lambda line: None)


@pytest.mark.parametrize(
    'arguments, match',
    [
        (dict(backbone='resnet18'), "no backbone 'resnet18': there are convnext_tiny, "),
        (dict(weights='none.pth'), 'no such file of weights: none.pth'),
        (dict(views=-1), 'views must be at least 0'),
        (dict(folds=1), 'folds at least 2'),
        (dict(seed=-1), 'seed at least 0, got 0, 5 and -1'),
        (dict(finetune_steps=0), 'finetune_steps must be at least 1, got 0'),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(photos, tmp_path, arguments, match):
    with pytest.raises(ValueError, match=match):
        fit(photos / 'all', photos / 'labels.csv', work_dir=tmp_path / 'out', **arguments)
    assert not (tmp_path / 'out').exists()


def test_without_unlabelled_images_the_labelled_ones_are_learned(photos, tmp_path):
    """Also a folder per class, and classes of different size, whose shares may be the prior."""
    for number in range(9):
        kind = list(COLOURS)[min(number % 4, 2)]
        save_colour(tmp_path / 'photos' / kind / f'{number}.png', kind, (60, 80), seed=number)
    said = []
    classifier = fit(
        tmp_path / 'photos', work_dir=tmp_path / 'out', cache=photos / 'cache', say=said.append
    )
    assert classifier.predict(photos / 'all' / '1.png')[0].label == 'dog'
    assert any('9 labelled images of 3 classes, and 0 unlabelled' in line for line in said)
    assert any('14 settings are compared' in line for line in said)
    assert (tmp_path / 'out' / 'report.html').is_file()


def test_strong_views_bring_fixmatch(photos, tmp_path):
    said = []
    fit(
        photos / 'all',
        photos / 'labels.csv',
        work_dir=tmp_path,
        cache=photos / 'cache',
        views=1,
        say=said.append,
    )
    assert any('2 views of each' in line for line in said)
    assert any('14 settings are compared' in line for line in said)


def test_of_very_many_unlabelled_images_some_take_part(monkeypatch):
    monkeypatch.setattr('mmsemiloc.few_labels.learning.MOST', 5)
    places = taking_part(3, 100, seed=0)
    assert places[:3].tolist() == [0, 1, 2] and len(set(places)) == 8
    assert (places == taking_part(3, 100, seed=0)).all()
    assert (places != taking_part(3, 100, seed=1)).any()
    assert taking_part(3, 7, seed=0).tolist() == list(range(7))


def test_pictures_come_from_all_classes_in_turns():
    assert evenly(np.array([0, 0, 0, 1, 2]), 3).tolist() == [0, 3, 4]


def run(*words, cwd):
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_the_other_tools_take_what_it_wrote(photos, fitted, tmp_path):
    """predict.py, test.py, and train.py, which goes on from the classifier."""
    _, work_dir, _ = fitted
    config, checkpoint = work_dir / 'classifier.py', work_dir / 'classifier.pth'
    tools = ROOT / 'tools'

    shown = run(
        tools / 'predict.py', config, checkpoint, photos / 'all' / '4.png', '--out', 'seen',
        cwd=tmp_path,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert 'dog' in (tmp_path / 'seen' / 'predictions.csv').read_text()

    tested = run(tools / 'test.py', config, checkpoint, '--work-dir', 'test', cwd=tmp_path)
    assert tested.returncode == 0 and '100.0' in tested.stdout + tested.stderr, tested.stderr

    trained = run(
        tools / 'train.py', config, '--work-dir', 'train', '--cfg-options', 'steps=2',
        'batch_size=8', 'micro_batch_size=8', cwd=tmp_path,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert list((tmp_path / 'train').glob('iter_*.pth'))


def test_the_tool_is_one_command(photos, fitted, tmp_path):
    tool = ROOT / 'tools' / 'fit.py'
    words = ('--labels', photos / 'labels.csv', '--cache', photos / 'cache')
    result = run(tool, photos / 'all', *words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / 'work_dirs' / 'fit' / 'report.html').is_file()
    assert 'Report: work_dirs/fit/report.html' in result.stdout

    (tmp_path / 'wrong.csv').write_text('name,label\n1.png,cat\n')
    wrong = run(tool, photos / 'all', '--labels', 'wrong.csv', cwd=tmp_path)
    assert wrong.returncode == 2 and wrong.stderr.startswith('fit.py: error: ')
    assert 'wrong.csv' in wrong.stderr and len(wrong.stderr.splitlines()) == 1
