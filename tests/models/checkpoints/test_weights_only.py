"""A checkpoint that would write a file when it is unpickled, through every way of loading."""

import contextlib
import io
import os
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from pickle import UnpicklingError

import mmengine.runner
import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule
from mmengine.runner.checkpoint import CheckpointLoader, _load_checkpoint

from mmsemiloc.commands.common import check_checkpoint
from mmsemiloc.models import load_backbone, read_checkpoint
from mmsemiloc.models.checkpoints import packages
from mmsemiloc.models.checkpoints.export import export
from mmsemiloc.models.checkpoints.weights_only import TRUST, CheckpointError, load_file, statistic
from tests.conftest import make_model


class Code:
    """What runs code where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


class Evaluated(Code):
    """The same by another function."""

    def __reduce__(self):
        return (eval, (f'__import__("os").mkdir({str(self.path)!r})',))


class Reached(Code):
    """An attribute, the first step to such a function: MMEngine's own list would allow it."""

    def __reduce__(self):
        return (getattr, (HistoryBuffer, '__init__'))


@pytest.fixture
def mark(tmp_path):
    """A folder that there is only if the code was run."""
    return tmp_path / 'code was run'


@pytest.fixture
def file(tmp_path, mark):
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(state_dict=make_model().state_dict(), meta=dict(x=Code(mark))), path)
    return path


def loaded_by_init_cfg(path):
    model = make_model(init_cfg=dict(type='Pretrained', checkpoint=path))
    model.init_weights()


def loaded_by_stock_init_cfg(path):
    """By a module that does not know ours, such as a detector's."""
    module = BaseModule(init_cfg=dict(type='Pretrained', checkpoint=path))
    module.layer = torch.nn.Linear(1, 1)
    module.init_weights()


WAYS = {
    'our reader': read_checkpoint,
    'the check of the tools': check_checkpoint,
    'a backbone': lambda path: load_backbone(make_model().backbone, path),
    'init_cfg': loaded_by_init_cfg,
    'init_cfg of another package': loaded_by_stock_init_cfg,
    'export': lambda path: export(Path(path), 'mmpretrain', Path(path).parent / 'out'),
    'load_checkpoint of MMEngine': lambda path: mmengine.runner.load_checkpoint(make_model(), path),
    'the runner, for load_from and resume': lambda path: _load_checkpoint(path, 'cpu'),
    'our file loader': load_file,
}


@pytest.mark.parametrize('way', WAYS)
def test_code_is_refused_by_every_way_of_loading(way, file, mark):
    with pytest.raises(CheckpointError) as refused:
        WAYS[way](str(file))
    line = str(refused.value)
    assert not mark.exists() and '\n' not in line
    assert line.startswith(f'cannot load checkpoint {file}: it holds more than weights')
    assert 'mkdir' in line and f'{TRUST}=1' in line


@pytest.mark.parametrize('way', WAYS)
def test_trusted_files_are_loaded(way, file, mark, monkeypatch):
    """The negative control: the code does run if the user says so."""
    monkeypatch.setenv(TRUST, '1')
    with contextlib.suppress(ValueError):  # of a backbone that the file does not have
        WAYS[way](str(file))
    assert mark.is_dir()


def test_torch_alone_would_have_run_the_code(file, mark):
    torch.load(file, weights_only=False)
    assert mark.is_dir()


@pytest.mark.parametrize('address', ['https://host/x.pth', 'torchvision://resnet18', 'mmcls://x'])
def test_downloads_are_loaded_with_weights_only(address, file, mark, monkeypatch):
    """Their file is read by PyTorch, which would load it as it is."""

    def download(*args, **kwargs):
        return torch.load(file, weights_only=False)

    monkeypatch.setattr('mmengine.runner.checkpoint.load_url', download)
    known = {'resnet18': 'https://host/x.pth', 'x': 'https://host/x.pth'}
    monkeypatch.setattr('mmengine.runner.checkpoint.get_torchvision_models', lambda: known)
    monkeypatch.setattr('mmengine.runner.checkpoint.get_mmcls_models', lambda: known)
    with pytest.raises(CheckpointError, match=f'cannot load checkpoint {re.escape(address)}: it'):
        read_checkpoint(address)
    assert not mark.exists()


def test_a_package_is_loaded_with_weights_only(file, mark, monkeypatch):
    monkeypatch.setattr(packages, 'package_file', lambda name: file)
    with pytest.raises(CheckpointError, match='cannot load checkpoint package://x: it holds more'):
        read_checkpoint('package://x')
    assert not mark.exists()


def test_every_scheme_of_mmengine_is_ours():
    """A new one would load files in MMEngine's way."""
    loaders = CheckpointLoader._schemes.values()
    assert {loader.__globals__['__name__'].split('.')[0] for loader in loaders} == {'mmsemiloc'}
    assert len(loaders) > 10


@pytest.mark.parametrize('code', [Code, Evaluated, Reached])
def test_other_functions_and_old_files(code, tmp_path, mark):
    for zipped in (True, False):
        path = tmp_path / 'x.pth'
        torch.save({'x': code(mark)}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(CheckpointError, match=r'it holds more than weights'):
            load_file(path)
    assert not mark.exists()


def test_methods_of_histories_and_nothing_else_are_reached():
    assert statistic(HistoryBuffer, 'mean') is HistoryBuffer.mean
    for owner, name in ((HistoryBuffer, '__init__'), (os, 'system'), (HistoryBuffer.mean, 'mean')):
        with pytest.raises(UnpicklingError, match='getattr'):
            statistic(owner, name)


def test_what_our_checkpoints_hold_is_loaded_bit_for_bit(tmp_path):
    history = HistoryBuffer([0.1, 0.2], [1, 1])
    history.update(0.3)
    content = dict(
        meta=dict(classes=('a', 'b'), epoch=3, time='now'),
        log_scalars=OrderedDict(loss=history),
        info=dict(best=np.float64(0.5), count=np.int64(3), table=np.arange(6, dtype=np.uint8)),
        empty=HistoryBuffer(),
        tensor=torch.arange(3.0),
    )
    torch.save(content, tmp_path / 'x.pth')
    for source in (tmp_path / 'x.pth', io.BytesIO((tmp_path / 'x.pth').read_bytes())):
        found = load_file(source)
        assert found['meta'] == content['meta'] and found['info']['best'] == 0.5
        assert np.array_equal(found['info']['table'], content['info']['table'])
        assert np.array_equal(found['log_scalars']['loss'].data, history.data)
        assert found['log_scalars']['loss'].mean() == history.mean()


class OtherNames:
    """A pickle module that writes the names of NumPy's functions as another version does."""

    module = ''
    dumps = staticmethod(pickle.dumps)

    class Pickler(pickle.Pickler):
        def __init__(self, file, protocol=None):
            self.file, self.content = file, io.BytesIO()
            super().__init__(self.content, protocol)

        def dump(self, value):
            super().dump(value)
            other = f'c{OtherNames.module}.multiarray\n'.encode()
            self.file.write(
                re.sub(rb'cnumpy\._?core\.multiarray\n', other, self.content.getvalue())
            )


def test_histories_of_older_numpy_are_loaded(tmp_path, monkeypatch):
    """Its functions have another module in the file."""
    content = dict(loss=HistoryBuffer([0.1], [1]), tensor=torch.zeros(1))
    for module in ('numpy.core', 'numpy._core'):
        monkeypatch.setattr(OtherNames, 'module', module)
        torch.save(content, tmp_path / 'x.pth', pickle_module=OtherNames)
        assert f'c{module}.multiarray\n'.encode() in (tmp_path / 'x.pth').read_bytes()
        assert load_file(tmp_path / 'x.pth')['loss'].mean() == 0.1


@pytest.mark.parametrize('content', [b'', b'not a checkpoint', bytes(range(256))])
def test_a_file_that_is_no_checkpoint_is_one_line(content, tmp_path):
    path = tmp_path / 'x.pth'
    path.write_bytes(content)
    for way in (read_checkpoint, check_checkpoint):
        with pytest.raises(ValueError, match=f'cannot load checkpoint {path}: ') as refused:
            way(str(path))
        assert '\n' not in str(refused.value) and TRUST not in str(refused.value)


def test_the_environment_is_as_before(file, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)
    before = dict(os.environ)
    with pytest.raises(CheckpointError):
        read_checkpoint(str(file))
    assert dict(os.environ) == before
