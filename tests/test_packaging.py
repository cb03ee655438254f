"""Wheels, source distributions and editable installs carry configs, tools and the model index."""

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import modelindex
import pytest
from mmengine.utils import get_installed_path
from packaging.requirements import Requirement

import mmsemiloc

ROOT = Path(__file__).parents[1]
MIM_FILES = [
    'configs/metafile.yml',
    'tools/train.py',
    'tools/_cli.py',
    'tools/dist_train.sh',
    'model-index.yml',
]


def run(*command, cwd):
    """Run a command quietly."""
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)


def build(kind, source, out):
    """Build a 'sdist' or 'editable' of a source tree as pip does; the path of its file."""
    code = f'from setuptools import build_meta; build_meta.build_{kind}({str(out)!r})'
    run(sys.executable, '-c', code, cwd=source)
    return next(out.iterdir())


def build_wheel(source, out):
    """Build the wheel of a source tree or source distribution; the names of the files in it."""
    run(
        sys.executable,
        '-m',
        'pip',
        'wheel',
        '--no-deps',
        '--no-build-isolation',
        str(source),
        cwd=out,
    )
    return set(zipfile.ZipFile(next(out.glob('*.whl'))).namelist())


@pytest.fixture
def source(tmp_path):
    """A copy of the source tree without environments, caches and results."""
    ignore = shutil.ignore_patterns(
        '.*', '__pycache__', '*.egg-info', 'build', 'dist', 'work_dirs', 'data'
    )
    return shutil.copytree(ROOT, tmp_path / 'source', ignore=ignore)


@pytest.fixture
def out(tmp_path):
    """An empty folder for what is built."""
    folder = tmp_path / 'out'
    folder.mkdir()
    return folder


def assert_complete(names):
    """Every module, the mark of types, and all of .mim are among the names of a wheel."""
    expected = {f'mmsemiloc/.mim/{name}' for name in MIM_FILES} | {'mmsemiloc/py.typed'}
    expected |= {
        f'mmsemiloc/.mim/{path.relative_to(ROOT)}' for path in (ROOT / 'configs').rglob('*.py')
    }
    expected |= {
        str(path.relative_to(ROOT))
        for path in (ROOT / 'mmsemiloc').rglob('*.py')
        if '.mim' not in path.parts
    }
    assert expected <= names
    assert not [
        name
        for name in names
        if '__pycache__' in name or name.startswith(('tests/', 'benchmarks/', 'configs/', 'tools/'))
    ]


def test_wheel(source, out):
    assert_complete(build_wheel(source, out))
    wheel = zipfile.ZipFile(next(out.glob('*.whl')))
    metadata = wheel.read(
        next(name for name in wheel.namelist() if name.endswith('/METADATA'))
    ).decode()
    lines = [
        line.partition(': ')[2]
        for line in metadata.splitlines()
        if line.startswith('Requires-Dist: ')
    ]
    always = [
        line
        for line in map(Requirement, lines)
        if line.marker is None or line.marker.evaluate(dict(extra=''))
    ]
    # There are two distributions of each OpenMMLab package: a plain `pip install .` must not put
    # one over the other.
    assert always and not [line for line in always if 'mm' in line.name]
    assert {
        line.name
        for line in map(Requirement, lines)
        if line.marker and line.marker.evaluate(dict(extra='onedl'))
    } >= {'onedl-mmengine', 'onedl-mmcv', 'onedl-mmpretrain'}


def test_wheel_of_the_source_distribution(source, out, tmp_path):
    sdist = build('sdist', source, tmp_path / 'sdist')
    assert_complete(build_wheel(sdist, out))


def test_wheel_after_an_editable_install_has_no_links(source, out, tmp_path):
    build('editable', source, tmp_path / 'editable')
    assert_complete(build_wheel(source, out))


def test_editable_install_links_to_the_source(source, out):
    build('editable', source, out)
    mim = source / 'mmsemiloc' / '.mim'
    for name in MIM_FILES:
        assert (mim / name).samefile(source / name)


def test_editable_install_copies_where_links_are_not_allowed(source, out):
    build_without_links = (
        'import pathlib\n'
        'def refuse(*args, **kwargs): raise OSError("no links here")\n'
        'pathlib.Path.symlink_to = refuse\n'
        f'from setuptools import build_meta; build_meta.build_editable({str(out)!r})'
    )
    run(sys.executable, '-c', build_without_links, cwd=source)
    mim = source / 'mmsemiloc' / '.mim'
    assert not (mim / 'configs').is_symlink()
    for name in MIM_FILES:
        assert (mim / name).read_bytes() == (source / name).read_bytes()


def test_installed_package():
    assert version('mmsemiloc') == mmsemiloc.__version__
    mim = Path(get_installed_path('mmsemiloc')) / '.mim'
    assert [name for name in MIM_FILES if not (mim / name).is_file()] == []


def test_model_index():
    index = modelindex.load(str(ROOT / 'model-index.yml'))
    index.build_models_with_collections()
    assert index.check(silent=True) == []
    assert [model.name for model in index.models if not (ROOT / model.config).is_file()] == []


def test_tested_versions_are_within_the_allowed_ranges():
    def read(name):
        lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
        return {
            r.name: r
            for r in (Requirement(line) for line in lines if line and not line.startswith('#'))
        }

    tested = {name: next(iter(pin.specifier)).version for name, pin in read('constraints').items()}
    for file in ('runtime', 'onedl', 'transfer', 'tests'):
        for name, requirement in read(file).items():
            assert requirement.specifier.contains(tested[name]), (
                f'{file}.txt: {requirement}, tested with {tested[name]}'
            )
