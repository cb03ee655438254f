"""Errors in one line, and where their tracebacks go."""

import importlib
import logging
import os

import pytest
from mmengine.logging import MMLogger
from torch._utils import ExceptionWrapper

from mmsemiloc.datasets.images.errors import UnreadableImageError
from tests.tools.conftest import ROOT


@pytest.fixture
def errors(monkeypatch):
    """tools/_errors.py."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    return importlib.import_module('_errors')


def caught(function):
    """What a function raises, with its traceback."""
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError('nothing was raised')


def in_worker(error):
    """An error as the main process gets it from a worker of a dataloader."""

    def fail():
        raise error

    def wrap():
        try:
            fail()
        except Exception:
            ExceptionWrapper(where='in DataLoader worker process 0').reraise()

    return caught(wrap)


class NeedsTwo(Exception):
    def __init__(self, first, second):
        super().__init__(f'{first} {second}')


@pytest.mark.parametrize(
    'error, line, users',
    [
        (ValueError('lr must be positive, got -1'), 'lr must be positive, got -1', True),
        (ValueError('two\n  lines'), 'two lines', True),
        (
            UnicodeDecodeError('utf-8', b'\xff', 0, 1, 'invalid start byte'),
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
            True,
        ),
        (KeyError('classes'), "KeyError: 'classes'", True),
        (KeyError('Foo is not in the registry'), 'KeyError: Foo is not in the registry', True),
        (
            TypeError("got an unexpected keyword argument 'x'"),
            "TypeError: got an unexpected keyword argument 'x'",
            True,
        ),
        (
            ModuleNotFoundError("No module named 'x'"),
            "ModuleNotFoundError: No module named 'x'",
            True,
        ),
        (
            FileNotFoundError(2, 'No such file or directory', 'a.txt'),
            'No such file or directory: a.txt',
            True,
        ),
        (PermissionError('not yours'), 'not yours', True),
        (
            UnreadableImageError('cannot read image 3: torn.jpg'),
            'cannot read image 3: torn.jpg',
            True,
        ),
        (RuntimeError('out of memory'), 'RuntimeError: out of memory', False),
        (IndexError('list index out of range'), 'IndexError: list index out of range', False),
    ],
)
def test_one_line(errors, error, line, users):
    assert errors.explain(error) == line and errors.is_users(error) == users
    if not isinstance(
        error, UnicodeDecodeError | FileNotFoundError
    ):  # of these torch keeps the text alone
        wrapped = in_worker(error)
        assert errors.explain(wrapped) == line and errors.is_users(wrapped) == users


def test_errors_of_workers_that_cannot_be_made_again(errors):
    wrapped = in_worker(UnicodeDecodeError('utf-8', b'\xff', 0, 1, 'invalid start byte'))
    assert type(wrapped) is RuntimeError and errors.is_users(wrapped)
    assert (
        errors.explain(wrapped)
        == "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
    )
    assert errors.explain(in_worker(NeedsTwo('a', 'b'))) == 'NeedsTwo: a b'


def test_an_error_during_the_handling_of_another_one_is_the_last(errors):
    def fail():
        try:
            raise KeyError('first')
        except KeyError as error:
            raise ValueError('second\n  with an indented line') from error

    assert errors.explain(in_worker(caught(fail))) == 'second with an indented line'


def test_without_a_message_the_place_is_named(errors):
    error = caught(lambda: exec('assert False'))
    assert errors.explain(error).startswith('AssertionError: <string>, line 1')
    error = AssertionError()
    assert errors.explain(error) == 'AssertionError'
    try:
        raise AssertionError
    except AssertionError as error:
        line = error.__traceback__.tb_lineno
        assert (
            errors.explain(error)
            == f'AssertionError: {__file__}, line {line}: raise AssertionError'
        )


def test_long_messages_are_cut(errors):
    line = errors.explain(ValueError('x ' * 10_000))
    assert len(line) < 1100 and line.endswith(' …')


def log_file_of(folder, name):
    """A logger of MMEngine with a file, as the runner makes it."""
    MMLogger.get_instance(name, logger_name=name, log_file=str(folder / 'run.log'))
    return folder / 'run.log'


def test_details_go_to_the_log_of_the_run(errors, tmp_path, capsys):
    log = log_file_of(tmp_path, 'test_details')
    path = errors.write_details(caught(lambda: {}['missing']))
    assert (
        os.path.samefile(path, log)
        and "KeyError: 'missing'" in log.read_text()
        and 'Traceback' in log.read_text()
    )
    MMLogger.get_current_instance().info('goes on')
    assert log.read_text().endswith('goes on\n')
    assert 'Traceback' not in capsys.readouterr().out


def test_details_of_other_ranks_go_beside_it(errors, tmp_path, monkeypatch):
    log = log_file_of(tmp_path, 'test_details_of_ranks')
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(
        logger, 'handlers', [h for h in logger.handlers if not isinstance(h, logging.FileHandler)]
    )
    monkeypatch.setenv('RANK', '3')
    path = errors.write_details(caught(lambda: {}['missing']))
    assert (
        os.path.samefile(path, tmp_path / 'run_rank3.log')
        and 'missing' in (tmp_path / 'run_rank3.log').read_text()
    )
    assert log.read_text() == ''


def test_without_a_log_there_are_no_details(errors, monkeypatch):
    monkeypatch.setattr(errors, 'current_logger', lambda: None)
    assert errors.write_details(ValueError('x')) is None
