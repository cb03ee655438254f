"""Which OpenMMLab distributions go together, and what `import mmsemiloc` says of others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mmsemiloc import distributions
from mmsemiloc.distributions import FAMILIES, NEEDED, fault

ROOT = Path(__file__).parents[1]
ONEDL = {'onedl-mmengine', 'onedl-mmcv', 'onedl-mmpretrain'}
ORIGINAL = {'mmengine', 'mmcv', 'mmpretrain'}
MODULES = set(NEEDED)


@pytest.mark.parametrize(
    'installed',
    [
        ONEDL,
        ONEDL | {'onedl-mmdetection', 'onedl-mmsegmentation'},
        ORIGINAL,
        ORIGINAL | {'mmdet', 'mmsegmentation'},
        {'mmengine-lite', 'mmcv-lite', 'mmpretrain'},
        set(),  # source trees on PYTHONPATH
    ],
)
def test_one_family(installed):
    assert fault(installed, MODULES) is None
    assert fault(installed | {'torch', 'openmim'}, MODULES) is None


@pytest.mark.parametrize(
    'installed, named',
    [
        (ONEDL | {'mmengine'}, {'mmengine'}),
        (ONEDL | {'mmcv'}, {'mmcv'}),
        (ONEDL | {'mmcv-lite'}, {'mmcv-lite'}),
        (ONEDL | {'mmpretrain'}, {'mmpretrain'}),
        (ONEDL | {'mmdet'}, {'mmdet'}),
        (ONEDL | {'mmsegmentation'}, {'mmsegmentation'}),
        (ONEDL | ORIGINAL, ORIGINAL),
        (ORIGINAL | {'onedl-mmdetection'}, {'onedl-mmdetection'}),
        (ORIGINAL | {'onedl-mmsegmentation'}, {'onedl-mmsegmentation'}),
        ({'onedl-mmengine', 'mmcv', 'mmpretrain'}, {'onedl-mmengine', 'mmcv'}),
        ({'mmengine', 'onedl-mmcv', 'onedl-mmpretrain'}, {'mmengine', 'onedl-mmcv'}),
        ({'onedl-mmcv', 'mmcv'}, {'onedl-mmcv', 'mmcv'}),
    ],
)
@pytest.mark.parametrize('importable', [MODULES, set()])
def test_a_mixture_is_named_with_the_way_out(installed, named, importable):
    message = fault(installed, importable)
    assert 'do not go together' in message
    assert "pip install 'mmsemiloc[onedl]'" in message and '[openmmlab]' in message
    removed = message.split('pip uninstall -y ')[1].split(',')[0].split()
    assert set(removed) == installed and named <= set(removed)  # whichever stays would miss files


def test_two_distributions_of_a_module_of_one_family():
    message = fault(ORIGINAL | {'mmcv-lite'}, MODULES)
    assert 'mmcv and mmcv-lite do not go together' in message
    assert 'uninstall -y mmcv mmcv-lite,' in message
    assert "pip install 'mmsemiloc[openmmlab]'" in message and '[onedl]' not in message


@pytest.mark.parametrize(
    'installed, importable, family',
    [
        (set(), set(), 'onedl'),
        (set(), {'mmengine'}, 'onedl'),
        ({'onedl-mmengine'}, {'mmengine'}, 'onedl'),
        ({'mmengine', 'mmcv'}, {'mmengine', 'mmcv'}, 'openmmlab'),
        ({'mmdet', 'mmengine'}, {'mmengine'}, 'openmmlab'),
    ],
)
def test_what_is_missing_is_named_with_the_family_that_is_there(installed, importable, family):
    message = fault(installed, importable)
    absent = [module for module in NEEDED if module not in importable]
    assert f'and {", ".join(absent)} cannot be found' in message
    assert f"pip install 'mmsemiloc[{family}]'" in message
    assert ('instead of' in message) == (not installed)


def test_a_distribution_whose_files_are_gone():
    """As after `pip uninstall onedl-mmengine` where mmengine was beside it."""
    assert 'pip install --force-reinstall --no-deps mmengine mmcv' in fault(
        ORIGINAL, {'mmpretrain'}
    )


def test_every_distribution_is_an_extra_and_none_is_required():
    unconditional = {Requirement(line).name for line in requires_of_source('runtime')}
    extras = {
        family: {Requirement(line).name for line in requires_of_source(family)}
        for family in FAMILIES
    }
    assert not unconditional & {
        name for modules in FAMILIES.values() for names in modules.values() for name in names
    }
    for family, modules in FAMILIES.items():
        assert extras[family] - {'torch'} == {modules[module][0] for module in NEEDED}
    assert {Requirement(line).name for line in requires_of_source('transfer')} == {
        FAMILIES['onedl'][module][0] for module in ('mmdet', 'mmseg')
    }


def requires_of_source(name):
    """The lines of a file of requirements."""
    return [
        line
        for line in (ROOT / f'requirements/{name}.txt').read_text().splitlines()
        if line and line[0] != '#'
    ]


def run(code, site):
    """Run Python with a folder of distributions in front of what is installed."""
    return subprocess.run(
        [sys.executable, *code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, 'PYTHONPATH': f'{site}{os.pathsep}{ROOT}'},
    )


def add_distribution(site, name):
    """What pip notes of an installed distribution."""
    folder = site / f'{name.replace("-", "_")}-0.10.7.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 0.10.7\n')


def test_importing_with_a_mixture_is_an_error_before_mmengine_is_imported(tmp_path):
    add_distribution(tmp_path, 'mmengine')
    code = (
        'import sys\ntry:\n import mmsemiloc\nexcept ImportError as error:\n'
        ' print(error, "mmengine" in sys.modules, "torch" in sys.modules)\n'
    )
    shown = run(['-c', code], tmp_path).stdout
    assert ' and mmengine do not go together' in shown and shown.endswith(' False False\n')
    assert run(['-c', 'import mmsemiloc'], tmp_path / 'empty').returncode == 0  # negative control


def test_a_tool_says_so_in_one_line(tmp_path):
    add_distribution(tmp_path, 'mmdet')
    done = run([ROOT / 'tools/train.py', 'config.py'], tmp_path)
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert (
        done.stderr.startswith('train.py: error: onedl-mmengine, ')
        and 'and mmdet do not go together' in done.stderr
    )


def test_a_missing_package_is_one_line(tmp_path):
    (tmp_path / 'sitecustomize.py').write_text(
        'import importlib.util as u\nreal = u.find_spec\n'
        'u.find_spec = lambda name, package=None: None if name == "mmcv" else real(name, package)\n'
    )
    done = run([ROOT / 'tools/train.py', 'config.py'], tmp_path)
    assert done.returncode == 2 and done.stderr.count('\n') == 1
    assert 'the files of onedl-mmcv are gone' in done.stderr


def test_the_check_reads_few_files(monkeypatch):
    """It is part of every import: one look at each name, and no module is imported."""
    asked = []
    monkeypatch.setattr(
        distributions, 'is_installed', lambda name: asked.append(name) or name.startswith('onedl')
    )
    distributions.check()
    assert len(asked) == len(set(asked)) <= 15
