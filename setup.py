"""Metadata of mmsemiloc, and its configs and tools as package data.

OpenMMLab looks for a package's configs (``_base_ = 'mmsemiloc::...'``) and tools (``mim``) in
``<package>/.mim``. Wheels get copies there; an editable install gets links to the source tree, so
that edits count.
"""

import os
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MIM_ENTRIES = ('configs', 'tools', 'model-index.yml')


def read_version() -> str:
    """The version of mmsemiloc, read without importing it (its dependencies are not there yet)."""
    text = (ROOT / 'mmsemiloc/version.py').read_text()
    return text.partition("__version__ = '")[2].partition("'")[0]


def read_requirements(name: str) -> list[str]:
    """The lines of ``requirements/<name>.txt`` without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, without compiled files."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__', '*.py[cod]'))
    else:
        shutil.copy2(source, target)


def link(source: Path, target: Path) -> None:
    """Make a relative link, or a copy where the file system or the user's rights allow no links."""
    try:
        target.symlink_to(
            os.path.relpath(source, target.parent), target_is_directory=source.is_dir()
        )
    except OSError:
        copy(source, target)


class BuildPyWithMim(build_py):
    """``build_py`` that fills ``mmsemiloc/.mim``.

    Setuptools runs it for wheels and, with ``editable_mode``, for editable installs (PEP 660), for
    which it does not run ``develop``.
    """

    def run(self) -> None:
        """Build the package, then ``.mim``."""
        super().run()
        mim = (ROOT if self.editable_mode else Path(self.build_lib)) / 'mmsemiloc' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM_ENTRIES:
            (link if self.editable_mode else copy)(ROOT / name, mim / name)


setup(
    name='mmsemiloc',
    version=read_version(),
    description=(
        'Semi-supervised classification with clustering and locality penalties, for the OpenMMLab '
        'ecosystem'
    ),
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    classifiers=[
        'Intended Audience :: Science/Research',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    python_requires='>=3.10',
    packages=find_packages(include=['mmsemiloc', 'mmsemiloc.*']),
    package_data={'mmsemiloc': ['py.typed']},  # type checkers read our annotations
    install_requires=read_requirements('runtime'),
    # The OpenMMLab packages are extras: there are two distributions of each, and neither may
    # overwrite the other.
    extras_require={
        name: read_requirements(name)
        for name in ('onedl', 'openmmlab', 'transfer', 'elpv', 'tests')
    },
    cmdclass={'build_py': BuildPyWithMim},
    zip_safe=False,
)
