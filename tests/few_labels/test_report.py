"""The page about one's own photographs shows what was found out, and needs nothing else."""

import base64
import csv
import html
import io
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsemiloc.few_labels.label_next import most_useful
from mmsemiloc.few_labels.outcome import Outcome
from mmsemiloc.few_labels.report import make_fit_report, tables, write_results
from mmsemiloc.few_labels.report_sections import SORTED, share
from mmsemiloc.few_labels.thumbnails import read_small

CLASSES = ['<cat>', 'dog & co', 'owl $1$']


def write_photos(folder: Path, prefix: str, number: int, size=(40, 30), seed=0) -> list[Path]:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    files = [folder / f'{prefix}{i}.png' for i in range(number)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(file)
    return files


@pytest.fixture(scope='module')
def outcome(tmp_path_factory):
    """12 labelled images, 3 of them misclassified, and 60 unlabelled ones, 40 of the first class"""
    folder = tmp_path_factory.mktemp('photos')
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 3
    held_out = np.full((12, 3), 0.1)
    predicted = labels.copy()
    predicted[[0, 3]], predicted[4] = 1, 2  # two of <cat> as dog, one dog as owl
    held_out[np.arange(12), predicted] = 0.8
    held_out[3] = 0.02, 0.97, 0.01

    # The predicted class is known; how sure it is differs.
    unlabeled = rng.dirichlet(np.ones(3), 60)
    wanted = np.repeat([0, 1, 2], [40, 15, 5])
    rows, best = np.arange(60), unlabeled.argmax(1)
    unlabeled[rows, wanted], unlabeled[rows, best] = (
        unlabeled[rows, best].copy(), unlabeled[rows, wanted].copy(),
    )  # fmt: skip

    labeled_files = write_photos(folder, 'known <b>', 12)
    files = write_photos(folder, 'new', 60, seed=1)
    return Outcome(
        CLASSES,
        labeled_files,
        labels,
        held_out,
        75.0,
        (47.0, 91.0),
        [('NBEL 0.3 <best>', 83.3), ('CE', 66.7)],
        files,
        unlabeled,
        faults={folder / 'broken<1>.jpg': 'the file is empty & bad'},
        maps={file: rng.normal(size=(7, 7)) for file in [*files[:50], labeled_files[0]]},
        plan=['12 + 60 images', 'features of <net>'],
    )


@pytest.fixture(scope='module')
def page(outcome):
    return plain(make_fit_report(outcome, 'My <photos>'))


def plain(text: str) -> str:
    return text.replace('\N{NO-BREAK SPACE}', ' ')


def section(page: str, heading: str) -> str:
    return next(part for part in page.split('<h2>') if part.startswith(heading))


def alts(text: str) -> list[str]:
    return [html.unescape(alt) for alt in re.findall(r'<img alt="([^"]*)"', text)]


def test_the_answer_comes_first(page):
    before = ' '.join(page.split('<h2>')[0].split())
    assert 'correctly in about 75 % of cases (95 % interval 47 to 91 %)' in before
    assert 'measured on 12 labelled images' in before


def test_the_page_needs_nothing_else(page):
    assert not re.search(r'(src|href|srcset)="(?!data:)', page)
    assert not re.search('<script|<link|<iframe|@import|url\\(', page)
    for kind, data in re.findall(r'src="data:image/(png|jpeg);base64,([^"]*)"', page):
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        image.load()
        assert image.format == kind.upper()
        assert kind == 'png' or max(image.size) <= 160
    assert 'alt=""' not in page


def test_names_are_escaped(page):
    assert '<title>My &lt;photos&gt;</title>' in page
    for text in ('<cat>', '<best>', '<net>', 'known <b>', 'broken<1>', 'dog & co'):
        assert text not in page and html.escape(text) in page


def test_confusions_are_counted(page):
    part = section(page, 'What is taken for what')
    assert 'Most often, &lt;cat&gt; is taken for dog &amp; co: 2 of 4 images.' in part
    rows = re.findall('<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>', part)
    assert [[html.unescape(cell) for cell in row] for row in rows] == [
        ['<cat>', 'dog & co', '2 of 4'], ['dog & co', 'owl $1$', '1 of 4'],
    ]  # fmt: skip
    assert part.count('<picture>') == 1


def test_misclassified_images_are_shown_the_surest_first(page):
    part = section(page, 'Misclassified')
    assert alts(part) == [
        'known <b>3.png, labelled <cat>, classified as dog & co (97 %)',
        'known <b>0.png, labelled <cat>, classified as dog & co (80 %)',
        'known <b>4.png, labelled dog & co, classified as owl $1$ (80 %)',
    ]
    assert '3 of 12 labelled images.' in part and 'whether the label is right' in part


def test_without_mistakes_the_page_says_so(outcome):
    right = np.eye(3)[outcome.labels]
    page = make_fit_report(replace(outcome, held_out=right, accuracy=100.0), 'x')
    assert 'No labelled image is misclassified.' in page and '<h2>Misclassified' not in page


def test_maps_come_evenly_from_the_classes(page):
    seen = alts(section(page, 'Where the classifier looks'))
    assert len(seen) == 24 and seen[1] == f'map of {seen[0]}'

    # 40 and 10 predicted ones and a labelled one have a map: 12 are 6, 5 and 1.
    kinds = [alt.split(', ')[1] for alt in seen[::2]]
    numbers = {kind: kinds.count(kind) for kind in kinds}
    assert numbers == {'predicted <cat>': 6, 'predicted dog & co': 5, 'labelled <cat>': 1}


def test_without_maps_there_is_no_such_section(outcome):
    assert 'Where the classifier looks' not in make_fit_report(replace(outcome, maps={}), 'x')


def test_unlabelled_images_are_counted_and_the_ends_are_shown(page, outcome):
    part = section(page, 'The unlabelled images')
    for name, number in zip(CLASSES, ('40', '15', '5'), strict=True):
        assert f'<tr><td>{html.escape(name)}</td><td>{number}</td>' in part
        assert f'<h3>{html.escape(name)}: {number} images</h3>' in part

    # Six at each end of the first class, by an independent sorting; all five of the last one.
    order = sorted(range(40), key=lambda i: -outcome.probabilities[i, 0])
    shown = [alt.split('.png')[0] for alt in alts(part)]
    assert shown[:12] == [f'new{i}' for i in order[:6] + order[-6:]]
    assert len(shown) == 12 + 12 + 5


def test_the_images_to_label_are_those_of_the_choice(page, outcome):
    part = section(page, 'The 20 images whose label would help most')
    chosen = [int(re.match(r'new(\d+)', alt)[1]) for alt in alts(part)]
    assert chosen == most_useful(outcome.probabilities).tolist()
    best = np.sort(outcome.probabilities[chosen[0]])[:-3:-1]
    percent = [f'{100 * value:.0f} %' for value in best]
    assert re.search(rf'\({percent[0]}\) or .*\({percent[1]}\)', alts(part)[0])


def test_the_rest_is_listed(page):
    part = section(page, 'What was compared')
    assert '<td>NBEL 0.3 &lt;best&gt; (chosen)</td><td>83.3</td>' in part
    assert '<td>CE</td><td>66.7</td>' in part
    part = section(page, 'Images that could not be read')
    assert '1 file, left out.' in part and 'broken&lt;1&gt;.jpg</code>: the file is empty' in part
    assert '<li>12 + 60 images</li>' in section(page, 'What was done')


def test_no_unlabelled_images(outcome, tmp_path):
    alone = replace(outcome, unlabeled=[], probabilities=np.empty((0, 3)), maps={})
    write_results(alone, tmp_path)
    page = (tmp_path / 'report.html').read_text()
    assert 'learnt from the labels alone' in page and 'would help most' not in page
    assert (tmp_path / 'predictions.csv').read_text() == 'file,class,confidence\n'
    assert (tmp_path / 'label_next.csv').read_text() == 'file,predicted class,confidence\n'


def test_the_tables_have_all_unlabelled_images(outcome, tmp_path):
    write_results(outcome, tmp_path / 'made', 'x')
    with (tmp_path / 'made/predictions.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60 and {row['file'] for row in rows} == set(map(str, outcome.unlabeled))

    places = {str(file): place for place, file in enumerate(outcome.unlabeled)}
    for row in rows:
        values = outcome.probabilities[places[row['file']]]
        assert row['class'] == CLASSES[values.argmax()]
        assert float(row['confidence']) == pytest.approx(values.max(), abs=1e-6)
    keys = [(CLASSES.index(row['class']), -float(row['confidence'])) for row in rows]
    assert keys == sorted(keys)

    asked = [str(row['file']) for row in tables(outcome)['label_next.csv']]
    assert asked == [str(outcome.unlabeled[i]) for i in most_useful(outcome.probabilities)]
    assert not list((tmp_path / 'made').glob('*.partial'))


def test_many_classes_and_images_give_a_small_page(tmp_path):
    """Noise is what JPEG stores worst; 500 classes are more than have pictures."""
    files = write_photos(tmp_path / 'noise', 'x', 50, size=(160, 160))
    classes = [f'class {i}' for i in range(500)]
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 500, 1000)
    wrong = np.eye(500)[(labels + 1) % 500]
    probabilities = rng.dirichlet(np.ones(500) / 50, 5000)
    page = make_fit_report(
        Outcome(
            classes, (files * 20)[:1000], labels, wrong, 0.0, (0.0, 0.4), [('CE', 0.0)],
            (files * 100)[:5000], probabilities, maps={file: np.ones((7, 7)) for file in files},
        ),
        'x',
    )  # fmt: skip
    assert len(page) < 6 * 2**20
    part = section(page, 'The unlabelled images')
    assert len(alts(part)) <= SORTED and 'The 100 largest classes have pictures.' in part
    assert len(alts(page)) <= SORTED + 40 + 24 + 20 + 1


def test_a_file_that_has_gone_leaves_a_line(outcome, tmp_path):
    gone, broken = tmp_path / 'gone.png', tmp_path / 'broken.png'
    broken.write_bytes(b'nothing')
    files = [gone, broken, *outcome.labeled[2:3], gone, *outcome.labeled[4:]]
    page = make_fit_report(replace(outcome, labeled=files), 'x')
    part = section(page, 'Misclassified')
    assert part.count('cannot be shown') == 2 and len(alts(part)) == 1
    assert 'aria-label="gone.png, labelled &lt;cat&gt;' in part


def test_file_names_that_are_no_text(outcome, tmp_path):
    odd = tmp_path / os.fsdecode(b'odd\xff.png')
    odd.write_bytes(Path(outcome.labeled[0]).read_bytes())
    files = [odd, *outcome.unlabeled[1:]]
    write_results(replace(outcome, unlabeled=files, maps={odd: np.ones((2, 2))}), tmp_path)
    assert 'odd\\xff.png' in (tmp_path / 'report.html').read_text()
    assert 'odd\\xff.png' in (tmp_path / 'predictions.csv').read_text()


def test_pictures_are_upright_and_lie_on_white(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new('RGB', (320, 80)).save(tmp_path / 'turned.jpg', exif=exif)
    assert read_small(tmp_path / 'turned.jpg', 160).shape == (160, 40, 3)
    Image.new('RGBA', (8, 4)).save(tmp_path / 'clear.png')
    assert (read_small(tmp_path / 'clear.png', 16) == 255).all()


@pytest.mark.parametrize(
    ('value', 'text'),
    [(0, '0 %'), (0.004, 'under 1 %'), (0.873, '87 %'), (0.996, 'over 99 %'), (1, '100 %')],
)
def test_nearly_all_is_not_all(value, text):
    assert plain(share(value)) == text


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(accuracy=87.0), r'accuracy must be that of held_out, 75\.0 %, got 87\.0'),
        (dict(accuracy=float('nan')), 'got nan'),
        (dict(interval=(90.0, 80.0)), r'interval must be .* got \(90\.0, 80\.0\)'),
        (dict(interval=(float('nan'), 80.0)), r'got \(nan, 80\.0\)'),
        (dict(classes=['one']), 'at least 2 classes and 1 labelled image, got 1 and 12'),
        (dict(labels=np.empty(0, int)), 'at least 2 classes and 1 labelled image, got 3 and 0'),
        (dict(labels=np.full(12, 3)), r'from 0 to 2, got shape \(12,\), 3 to 3'),
        (dict(held_out=np.ones((12, 2))), r'held_out must have shape \(12, 3\), got \(12, 2\)'),
        (dict(held_out=np.full((12, 3), np.nan)), 'held_out must be from 0 to 1, got nan'),
        (dict(probabilities=np.full((60, 3), 2.0)), 'probabilities must be from 0 to 1, got 2.0'),
        (dict(maps={Path('a.png'): np.full((2, 2), np.inf)}), 'the map of a.png must be finite'),
        (dict(maps={Path('a.png'): np.ones(4)}), r'map of a.png .* got \(4,\)'),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(outcome, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write_results(replace(outcome, **change), tmp_path / 'none')
    assert not (tmp_path / 'none').exists()
