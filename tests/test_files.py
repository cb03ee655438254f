"""Files that are never half written."""

import errno
import os
from pathlib import Path

import pytest

from mmsemiloc.files import write_csv, write_json, write_whole


def test_rows_become_a_csv_file(tmp_path):
    path = tmp_path / 'rows.csv'
    write_csv(path, [dict(name='a, b', value=1 / 3, count=2), dict(name='c', value=None, more=1)])
    assert path.read_text() == 'name,value,count,more\n"a, b",0.3333333333333333,2,\nc,,,1\n'


def test_columns_may_be_given(tmp_path):
    path = tmp_path / 'rows.csv'
    write_csv(path, [], ['run', 'value'])
    assert path.read_text() == 'run,value\n'
    with pytest.raises(ValueError, match="'other'"):
        write_csv(path, [dict(other=1)], ['run'])
    assert path.read_text() == 'run,value\n'


def test_a_write_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'state.json'
    write_json(path, dict(step=1))

    def fail(source, target):
        raise OSError('disk full')

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(OSError, match='disk full'):
        write_json(path, dict(step=2))
    assert path.read_text() == '{\n "step": 1\n}'


def test_bytes_are_written_as_they_are(tmp_path):
    write_whole(tmp_path / 'a.png', b'\x89PNG')
    assert (tmp_path / 'a.png').read_bytes() == b'\x89PNG'
    assert [file.name for file in tmp_path.iterdir()] == ['a.png']


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / 'tools'))
    from _errors import explain

    def full(number):
        raise OSError(errno.ENOSPC, 'No space left on device')

    path = tmp_path / 'a.pth'
    path.write_bytes(b'old')
    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError) as error:
        write_whole(path, b'new', sync=True)
    assert explain(error.value) == f'cannot write it, No space left on device: {path}'
    assert path.read_bytes() == b'old' and os.listdir(tmp_path) == ['a.pth']
