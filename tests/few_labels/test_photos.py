"""Photographs with labels from a csv file or from folders, and every slip in them."""

import os
import random
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmsemiloc.few_labels.photos import read_photos

ROWS = ('a1.png,cat', 'a2.png,cat', 'sub/b1.JPG,dog', 'sub/b2.JPG,dog')
REST = ('rest/1.png', 'rest/2.png', 'z.webp')


def touch(root, *names):
    """Files without content: nothing may open them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def write(root, *rows, header='file,label', encoding='utf-8', end='\n'):
    """A csv file beside the folder of photos."""
    file = root.parent / 'labels.csv'
    file.write_bytes(end.join([header, *rows, '']).encode(encoding))
    return file


def names_of(photos, root):
    """Labels and unlabelled files as plain text."""
    labeled = {
        file.relative_to(root).as_posix(): photos.classes[label]
        for file, label in zip(photos.labeled, photos.labels, strict=True)
    }
    return labeled, [file.relative_to(root).as_posix() for file in photos.unlabeled]


@pytest.fixture
def root(tmp_path):
    root = tmp_path / 'photos'
    touch(root, *(row.split(',')[0] for row in ROWS), *REST)
    return root


@pytest.fixture
def folders(tmp_path):
    """Two classes, and unlabelled images in two places."""
    root = tmp_path / 'sorted'
    touch(root, 'dog/1.png', 'dog/more/2.png', 'cat/1.png', 'cat/2.png')
    touch(root, 'loose.png', 'Unlabelled/1.png', 'Unlabelled/deep/2.png')
    return root


EXPECTED = dict(row.split(',') for row in ROWS)


class TestCSV:
    def test_labels(self, root):
        photos = read_photos(root, write(root, *ROWS))
        assert photos.classes == ('cat', 'dog')
        assert photos.labels.dtype == np.int64 and photos.labels.tolist() == [0, 0, 1, 1]
        assert names_of(photos, root) == (EXPECTED, list(REST))
        assert photos.notes == ()

    def test_order_of_rows_does_not_matter(self, root):
        rows = list(ROWS)
        random.Random(1).shuffle(rows)
        assert rows != list(ROWS)
        first, second = (read_photos(root, write(root, *lines)) for lines in (ROWS, rows))
        assert replace(first, labels=None) == replace(second, labels=None)
        assert (first.labels == second.labels).all()

    @pytest.mark.parametrize(
        'change',
        [
            dict(encoding='utf-8-sig'),
            dict(end='\r\n'),
            dict(end='\r'),
            dict(header=' File , LABEL '),
            dict(header='\n\nfile,label\n'),
        ],
        ids=str,
    )
    def test_what_spreadsheets_write(self, root, change):
        assert names_of(read_photos(root, write(root, *ROWS, **change)), root)[0] == EXPECTED

    def test_blanks_blank_rows_and_quotes(self, root):
        rows = [f' "{file}", {label} ' for file, label in EXPECTED.items()]
        rows[1:1] = ['', ' , ', ',,,']
        assert names_of(read_photos(root, write(root, *rows)), root)[0] == EXPECTED

    def test_further_columns_in_any_order(self, root):
        touch(root, 'x, y.png')
        rows = [f'note,{label},{file},,' for file, label in EXPECTED.items()]
        file = write(root, *rows, ',dog,"x, y.png"', header='note,label,file,,')
        assert names_of(read_photos(root, file), root)[0] == {**EXPECTED, 'x, y.png': 'dog'}

    def test_empty_label_is_unlabelled(self, root):
        labeled, rest = names_of(read_photos(root, write(root, *ROWS, 'z.webp,')), root)
        assert labeled == EXPECTED and 'z.webp' in rest

    def test_dots_within_the_folder(self, root):
        rows = ('./a1.png,cat', 'sub/../a2.png,cat', 'sub//b1.JPG,dog', *ROWS[3:])
        assert names_of(read_photos(root, write(root, *rows)), root)[0] == EXPECTED

    @pytest.mark.parametrize(('disk', 'typed'), [('NFD', 'NFC'), ('NFC', 'NFD')])
    def test_accents_may_be_stored_differently(self, root, disk, typed):
        disk, typed = (unicodedata.normalize(form, 'é.png') for form in (disk, typed))
        touch(root, disk)
        photos = read_photos(root, write(root, *ROWS, f'{typed},e\u0301', 'z.webp,e\u0301'))
        assert disk != typed and names_of(photos, root)[0][disk] == 'é'

    def test_what_is_left_out(self, root):
        touch(root, '.hidden/x.png', '@eaDir/y.png', 'notes.txt', 'work/fit/map.png')
        photos = read_photos(root, write(root, *ROWS), out=root / 'work')
        assert names_of(photos, root) == (EXPECTED, list(REST))
        said = '\n'.join(photos.notes)
        assert '.hidden (1)' in said and '.txt (1)' in said and '1 image in' in said

        # Negative control.
        assert 'work/fit/map.png' in names_of(read_photos(root, write(root, *ROWS)), root)[1]

    def test_no_unlabelled_images(self, root):
        for name in REST:
            (root / name).unlink()
        photos = read_photos(root, write(root, *ROWS))
        assert photos.unlabeled == ()
        assert photos.notes[-1].startswith('0 unlabelled images: the unsupervised terms')

    def test_many_unlabelled_images(self, root, monkeypatch):
        from mmsemiloc.datasets.listing import trees

        listed = [row.split(',')[0] for row in ROWS] + [f'm/{i:06}.jpg' for i in range(100_000)]
        monkeypatch.setattr(trees, 'local_files', lambda *args: (['m', 'sub'], list(listed)))
        photos = read_photos(root, write(root, *ROWS))
        assert len(photos.unlabeled) == 100_000 and len(photos.labeled) == 4
        with pytest.raises(ValueError, match="did you mean 'm/000007.jpg'"):
            read_photos(root, write(root, *ROWS, 'M/000007.JPEG,cat'))

    def test_nothing_is_opened(self, root, monkeypatch):
        file, opened, real = write(root, *ROWS), [], open

        def spy(name, *args, **kwargs):
            opened.append(Path(name).name)
            return real(name, *args, **kwargs)

        monkeypatch.setattr('builtins.open', spy)
        monkeypatch.setattr('io.open', spy)
        read_photos(root, file)
        assert opened == ['labels.csv']


class TestFaultsOfCSV:
    @pytest.mark.parametrize(
        ('header', 'match'),
        [
            ('file,class', r"labels.csv, line 1: no column 'label'; .* 'file', 'class': rename"),
            ('name,label', "no column 'file'; the columns are 'name', 'label'"),
            ('file;label', 'line 1: .* separated by a semicolon: save the file with commas'),
            ('file\tlabel', 'line 1: .* separated by a tab: save'),
            ('a1.png,cat', "an image .*, but no header: the first line has to be 'file,label'"),
            ('file,label,label', "line 1: 2 columns 'label': leave only one"),
        ],
    )
    def test_header(self, root, header, match):
        with pytest.raises(ValueError, match=match):
            read_photos(root, write(root, *ROWS, header=header))

    @pytest.mark.parametrize(
        ('row', 'match'),
        [
            ('gone.png,cat', r"line 6: 'gone.png' is not a file in .*photos: correct the name"),
            ('A1.png,cat', "line 6: 'A1.png' is not a file .*; did you mean 'a1.png'"),
            ('a1.jpeg,cat', "did you mean 'a1.png'"),
            ('z,cat', "'z' is not a file .*did you mean 'z.webp'"),
            (r'sub\b1.JPG,cat', "did you mean 'sub/b1.JPG'"),
            ('photos/sub/b1.JPG,cat', "did you mean 'sub/b1.JPG'"),
            ('b1.jpg,cat', "did you mean 'sub/b1.JPG'"),
            ('/data/a1.png,cat', "absolute path: write it relative to .*did you mean 'a1.png'"),
            (r'C:\data\a1.png,cat', "absolute path: write it relative to .*did you mean 'a1.png'"),
            ('../labels.csv,cat', r"'../labels.csv' leaves .*photos: write the path relative"),
            ('sub/../../x.png,cat', 'leaves'),
            ('text.txt,cat', r"'text.txt' is not an image by its ending .*: delete the row"),
            ('sub,cat', "'sub' is a folder: name an image"),
            ('.h/x.png,cat', "is hidden or foreign .by '.h'.: rename it"),
            ('work/x.png,cat', 'is in the folder of the results: move it'),
            (f'{"x" * 5000}.png,cat', 'is not a file'),
            ('a1.png,cat', r"line 6: 'a1.png' with .* 'cat' stands in line 2 already: delete one"),
            ('./a1.png,dog', r"line 6: .*'dog' stands in line 2 already with another .*'cat'"),
            ('a1.png,', 'line 6: .* stands in line 2 already with another label'),
            ('z.webp', r"line 6: 1 value for 2 columns \('z.webp'\): write"),
            (
                'z,1.webp,cat',
                'line 6: 3 values for 2 columns .*: write a value with commas in quotes',
            ),
            (',cat', "line 6: the label 'cat' has no file"),
            ('"z.webp,cat', 'line 6: not csv .*: a value that begins with a quote'),
            ('z.webp,Cat', r"'Cat' and 'cat' \(lines 2 and 6\): write them alike"),
        ],
    )
    def test_row(self, root, row, match):
        touch(root, 'text.txt', '.h/x.png', 'work/x.png')
        file = write(root, *ROWS, row)
        with pytest.raises(ValueError, match=match) as error:
            read_photos(root, file, out=root / 'work')
        assert '\n' not in str(error.value) and str(file) in str(error.value)

    def test_alike_labels(self, root):
        rows = (*ROWS, 'rest/1.png,\u00e9', 'rest/2.png,e\u0301')
        with pytest.raises(ValueError, match=r'Unicode normalisation: .*lines 6 and 7'):
            read_photos(root, write(root, *rows))

    def test_line_after_a_line_break_in_quotes(self, root):
        rows = [f'{row},"one\ntwo"' for row in ROWS]
        with pytest.raises(ValueError, match="line 12: 'gone.png'"):
            read_photos(root, write(root, *rows, '', '', 'gone.png,cat,', header='file,label,note'))

    def test_others_are_counted(self, root):
        rows = [*ROWS, *(f'gone{i}.png,cat' for i in range(4))]
        with pytest.raises(ValueError, match=r"'gone0.png' .*3 more of the 8 rows have no image"):
            read_photos(root, write(root, *rows))

    def test_no_suggestion_if_two_could_be_meant(self, root):
        touch(root, 'x/same.png', 'y/same.png')
        with pytest.raises(ValueError, match='correct the name'):
            read_photos(root, write(root, *ROWS, 'same.png,cat'))

    @pytest.mark.parametrize(
        ('rows', 'match'),
        [
            (ROWS[:3], "only 1 labelled image of 'dog' .3 labels in all.: cross-validation needs"),
            (ROWS[1:3], "image of 'cat', 'dog' .*: add a label, or leave the class out"),
            (ROWS[:2], "has only 1 class, 'cat': label some images of at least 2 classes"),
            ((), 'labels.csv has no label: label some'),
            (('a1.png,',), 'labels.csv has no label: label some'),
        ],
    )
    def test_too_few(self, root, rows, match):
        with pytest.raises(ValueError, match=match):
            read_photos(root, write(root, *rows))

    def test_files(self, root, tmp_path):
        file = write(root, *ROWS)
        with pytest.raises(ValueError, match='no such folder: .*nowhere'):
            read_photos(tmp_path / 'nowhere', file)
        with pytest.raises(ValueError, match='labels.csv is a file, not a folder'):
            read_photos(file, file)
        with pytest.raises(ValueError, match='no such file of labels: .*; write one'):
            read_photos(root, tmp_path / 'nowhere.csv')
        with pytest.raises(ValueError, match='is a folder, not a list'):
            read_photos(root, root)
        with pytest.raises(ValueError, match='choose another --work-dir'):
            read_photos(root, file, out=root / 'sub' / '..')
        (tmp_path / 'none').mkdir()
        with pytest.raises(ValueError, match='no image in .*none'):
            read_photos(tmp_path / 'none', file)

        file.write_text('')
        with pytest.raises(ValueError, match='line 1: the file is empty'):
            read_photos(root, file)
        with pytest.raises(ValueError, match='line 2: not UTF-8'):
            read_photos(root, write(root, 'é.png,cat', encoding='latin-1'))
        with pytest.raises(ValueError, match='UTF-16'):
            read_photos(root, write(root, *ROWS, encoding='utf-16'))

    def test_csv_in_the_folder(self, root, monkeypatch):
        os.replace(write(root, *ROWS), root / 'labels.csv')
        with pytest.raises(ValueError, match='did you mean .*photos/labels.csv'):
            read_photos(root, Path('labels.csv'))


class TestFolders:
    def test_classes_and_images_beside_them(self, folders):
        photos = read_photos(folders)
        labeled = {'cat/1.png': 'cat', 'cat/2.png': 'cat', 'dog/1.png': 'dog'}
        labeled['dog/more/2.png'] = 'dog'
        assert photos.classes == ('cat', 'dog') and photos.labels.dtype == np.int64
        assert names_of(photos, folders) == (
            labeled,
            ['Unlabelled/1.png', 'Unlabelled/deep/2.png', 'loose.png'],
        )
        assert photos.notes == ()

    def test_labeled_and_unlabeled(self, folders, root):
        photos = read_photos(None, labeled=folders, unlabeled=root)
        assert len(photos.labeled) == 4 and len(photos.unlabeled) == 3 + 7
        assert {root / name for name in REST} < {*photos.unlabeled}

    @pytest.mark.parametrize('name', ['new', 'new/deep'])
    def test_unlabeled_beside_the_classes(self, folders, name):
        if '/' in name:
            name = f'unlabelled/{name}'
            (folders / 'Unlabelled').rename(folders / 'unlabelled')
        touch(folders, f'{name}/9.png')
        photos = read_photos(None, labeled=folders, unlabeled=folders / name)
        assert photos.classes == ('cat', 'dog')
        assert photos.unlabeled.count(folders / name / '9.png') == 1
        assert len({*photos.unlabeled}) == len(photos.unlabeled) == 4

    def test_labeled_below_unlabeled(self, folders):
        photos = read_photos(None, labeled=folders, unlabeled=folders.parent)
        assert len(photos.labeled) == 4 and len(photos.unlabeled) == 3

    def test_unlabeled_in_a_class(self, folders):
        with pytest.raises(ValueError, match='more is in the class folder .*dog: move it out'):
            read_photos(None, labeled=folders, unlabeled=folders / 'dog' / 'more')

    def test_results_are_no_class(self, folders):
        touch(folders, 'work/fit/map1.png', 'work/fit/map2.png', '.git/x.png', 'a.txt')
        photos = read_photos(folders, out=folders / 'work' / 'fit')
        assert photos.classes == ('cat', 'dog')
        said = '\n'.join(photos.notes)
        assert '2 images in' in said and '.git (1)' in said and '.txt (1)' in said
        assert 'loose' not in said

        # Negative control, and results among the images of what could be a class.
        assert 'work' in read_photos(folders).classes
        with pytest.raises(ValueError, match='--work-dir .* is in .*dog, which has other images'):
            read_photos(folders, out=folders / 'dog' / 'fit')

    def test_no_unlabelled_images(self, tmp_path):
        touch(tmp_path, 'a/1.png', 'a/2.png', 'b/1.png', 'b/2.png')
        photos = read_photos(None, labeled=tmp_path)
        assert photos.unlabeled == () and photos.notes[-1].startswith('0 unlabelled images')

    def test_faults(self, folders, root, tmp_path):
        touch(folders, 'bird/1.png')
        with pytest.raises(ValueError, match="only 1 labelled image of 'bird' .5 labels in all"):
            read_photos(folders)
        (folders / 'bird' / '1.png').unlink()
        with pytest.raises(ValueError, match='class folder .*bird has no image: fill it'):
            read_photos(folders)
        (folders / 'bird').rename(folders / 'Dog')
        with pytest.raises(ValueError, match="'Dog' and 'dog'"):
            read_photos(folders)

        touch(tmp_path / 'one', 'a/1.png', 'a/2.png', 'b.png')
        with pytest.raises(ValueError, match="only 1 class, 'a'"):
            read_photos(tmp_path / 'one')
        touch(tmp_path / 'none', 'unlabeled/1.png', 'my labels.csv')
        with pytest.raises(ValueError, match='no folder for each class .*--labels .*my labels.csv'):
            read_photos(tmp_path / 'none')
        touch(tmp_path / 'parts', 'labeled/a/1.png', 'unlabeled/1.png')
        with pytest.raises(ValueError, match='which are not classes: give the folder .*--labeled'):
            read_photos(tmp_path / 'parts')
        (tmp_path / 'bare' / 'a').mkdir(parents=True)
        with pytest.raises(ValueError, match='no image in the class folders'):
            read_photos(tmp_path / 'bare')


def test_choice(root, folders):
    file = write(root, *ROWS)
    with pytest.raises(ValueError, match='--labels .*labels.csv or .* --labeled .*sorted, not'):
        read_photos(None, file, labeled=folders)
    with pytest.raises(ValueError, match='give .*photos or --labeled .*sorted, not both'):
        read_photos(root, labeled=folders)
    with pytest.raises(ValueError, match='relative to a folder: give PHOTOS'):
        read_photos(None, file)
    for unlabeled in (None, folders):
        with pytest.raises(ValueError, match='no labelled images: give PHOTOS --labels CSV'):
            read_photos(None, unlabeled=unlabeled)
    with pytest.raises(ValueError, match='no such folder'):
        read_photos(root, file, unlabeled=root / 'nowhere')
