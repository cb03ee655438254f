"""Each way in which a line of a list can be wrong, and what is no fault."""

import time

import pytest

from mmsemiloc.datasets.listing.list_files import find_line, parse_list, to_line


def write(folder, text):
    file = folder / 'list.txt'
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize(
    'text',
    [
        'a b/ø.jpg 1\nc.JPEG 0\n',
        '\ufeffa b/ø.jpg 1\nc.JPEG 0\n',
        'a b/ø.jpg 1\r\nc.JPEG 0\r\n\r\n',
        '\na b/ø.jpg 1  \n\n  c.JPEG 0\t\n  \n',
        'a b/ø.jpg 1\rc.JPEG 0',
        'a b/ø.jpg   1\nc.JPEG 00',
        'a b/ø.jpg 1\n\ufeffc.JPEG 0\n',
    ],
)
def test_what_is_no_fault_with_labels(tmp_path, text):
    assert parse_list(write(tmp_path, text)) == {'a b/ø.jpg': 1, 'c.JPEG': 0}


@pytest.mark.parametrize(
    'text',
    ['a b/1.jpg\n/x/2.png\n', '\ufeffa b/1.jpg\r\n/x/2.png\r\n\r\n', 'a b/1.jpg   \n\n/x/2.png\n'],
)
def test_what_is_no_fault_without_labels(tmp_path, text):
    assert parse_list(write(tmp_path, text), labeled=False) == {'a b/1.jpg': -1, '/x/2.png': -1}


def test_names_may_hold_what_ends_lines_elsewhere(tmp_path):
    assert parse_list(write(tmp_path, 'a\x85b\u2028c.jpg 0\nd,e;f.jpg 1\n')) == {
        'a\x85b\u2028c.jpg': 0,
        'd,e;f.jpg': 1,
    }


@pytest.mark.parametrize(
    'line, match',
    [
        ('# a comment', 'comments are not allowed'),
        ('#a.jpg 0', 'comments are not allowed'),
        ('cat\\1.jpg 0', "forward slashes: 'cat/1.jpg 0'"),
        ('b.jpg', 'it has no label'),
        ('b c.jpg', 'it has no label'),
        ('b.jpg cat', "label 'cat' is not a whole number"),
        ('b.jpg -1', "label '-1' is not a whole number"),
        ('b.jpg 1.0', "label '1.0' is not a whole"),
        ('b.jpg ٣', 'is not a whole number'),
        ('b.jpg +1', 'is not a whole number'),
        ('b.jpg\t1', 'not by a tab'),
        ('b.jpg,1', 'not by a comma'),
        ('b.jpg, 1', 'not by a comma'),
        ('b.jpg;1', 'not by a semicolon'),
        ('b.jpg,cat', 'not by a comma'),
        ('b.jpg 1 2', 'several labels'),
        ('b.jpg 1,2', 'several labels'),
        ('b.jpg 1, 2', 'several labels'),
        ('1 b.jpg', 'the label stands first'),
        ('b.txt 1', "'b.txt' does not end as an image"),
        ('b 1', "'b' does not end as an image"),
        ('cat/ 0', "'cat/' is a folder"),
        ('"b.jpg" 1', 'without quotes'),
        ('a.jpg 1', 'a.jpg stands in line 1 already, with label 0'),
        ('./a.jpg 0', 'stands in line 1 already'),
        ('x/..//a.jpg 0', 'stands in line 1 already'),
        ('.ipynb_checkpoints/b.jpg 0', "hidden or foreign .by '.ipynb_checkpoints'"),
        ('cat/._b.jpg 0', 'hidden or foreign'),
        ('__MACOSX/cat/b.jpg 0', 'hidden or foreign'),
    ],
)
def test_faults_with_labels_name_file_and_line(tmp_path, line, match):
    file = write(tmp_path, f'a.jpg 0\n\n{line}\n')
    with pytest.raises(ValueError, match=f'list.txt, line 3: .*{match}'):
        parse_list(file)


@pytest.mark.parametrize(
    'line, match',
    [
        ('b.jpg 1', 'it has a label, but the list is of unlabelled images'),
        ('# comment', 'comments'),
        ('cat\\b.jpg', 'forward slashes'),
        ('b.jpg\t1', 'it has a label'),
        ('b.jpg,1', 'it has a label'),
        ('b', 'does not end as an image'),
        ('b.heic', 'does not end as an image'),
        ('a.jpg', 'already'),
        ('.hidden/b.jpg', 'hidden'),
        ('cat/', 'is a folder'),
    ],
)
def test_faults_without_labels_name_file_and_line(tmp_path, line, match):
    with pytest.raises(ValueError, match=f'list.txt, line 2: .*{match}'):
        parse_list(write(tmp_path, f'a.jpg\n{line}\n'), labeled=False)


@pytest.mark.parametrize(
    'header, labeled',
    [('file,label', True), ('path label', True), ('image', False), ('filename', False)],
)
def test_headers(tmp_path, header, labeled):
    with pytest.raises(ValueError, match='line 1: .*a header is not allowed'):
        parse_list(write(tmp_path, f'{header}\na.jpg 0\n'), labeled)


@pytest.mark.parametrize(
    'content, match',
    [
        ('a.jpg 0\n'.encode('utf-16'), 'UTF-16'),
        ('a.jpg 0\n'.encode('utf-16-le'), 'UTF-16'),
        ('a.jpg 0\ncafé/1.jpg 0\n'.encode('latin-1'), r"line 2: not UTF-8: b'caf\\xe9/1.jpg 0'"),
        (b'', 'has no images'),
        (b'\n \n', 'has no images'),
    ],
)
def test_faults_of_files(tmp_path, content, match):
    with pytest.raises(ValueError, match=f'list.txt.*{match}'):
        parse_list(write(tmp_path, content))


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(ValueError, match='cannot read the list of images .*nothing.txt'):
        parse_list(tmp_path / 'nothing.txt')
    with pytest.raises(ValueError, match='is a folder, not a list'):
        parse_list(tmp_path)


def test_other_endings_may_be_asked_for(tmp_path):
    file = write(tmp_path, 'key 0\nb.jpg 1\n')
    assert parse_list(file, endings=('',)) == {'key': 0, 'b.jpg': 1}
    with pytest.raises(ValueError, match='line 1'):
        parse_list(file)
    with pytest.raises(ValueError, match='line 2: .*it has a label'):
        parse_list(file, labeled=False, endings=('',))
    assert parse_list(write(tmp_path, 'a.npy 0\n'), endings=('.NPY',)) == {'a.npy': 0}


@pytest.mark.parametrize(
    'path', ['a.jpg', '#1/a.jpg', ' a/b.jpg', '"a".jpg', "'a/b.jpg", 'a b.jpg', 'ø\u2028.jpg']
)
def test_what_is_written_is_read(tmp_path, path):
    for label in (None, 3):
        lines = parse_list(write(tmp_path, to_line(path, label) + '\n'), labeled=label is not None)
        ((read, number),) = lines.items()
        assert read.removeprefix('./') == path and number == (-1 if label is None else 3)


@pytest.mark.parametrize('path', ['a\nb.jpg', 'a\\b.jpg', 'a\r.jpg', 'a.jpg ', 'a\udce9.jpg'])
def test_what_cannot_be_written(path):
    with pytest.raises(ValueError, match='a list cannot hold'):
        to_line(path, 0)


def test_lines_are_found(tmp_path):
    file = write(tmp_path, '\ufeffa.jpg 0\n\n./b c.jpg 1\n')
    assert find_line(file, 'b c.jpg', True) == 3 and find_line(file, 'nothing.jpg', True) == 0


def test_long_lists_take_seconds(tmp_path):
    file = write(tmp_path, ''.join(f'n{i % 100:08}/{i}.JPEG {i % 100}\n' for i in range(200_000)))
    start = time.process_time()
    assert len(parse_list(file)) == 200_000
    assert time.process_time() - start < 5
