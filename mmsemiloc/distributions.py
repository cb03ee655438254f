"""Whether the OpenMMLab packages are of one family: OneDL's distributions or the original ones.

Both families have the same modules. The one that is installed last overwrites files of the other,
and removing one of them removes the files of both.
"""

from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

# For each family the distributions of each module. In the order of what we test with.
FAMILIES: dict[str, dict[str, tuple[str, ...]]] = {
    'onedl': {
        'mmengine': ('onedl-mmengine',),
        'mmcv': ('onedl-mmcv',),
        'mmpretrain': ('onedl-mmpretrain',),
        'mmdet': ('onedl-mmdetection',),
        'mmseg': ('onedl-mmsegmentation',),
    },
    'openmmlab': {
        'mmengine': ('mmengine', 'mmengine-lite'),
        'mmcv': ('mmcv', 'mmcv-lite', 'mmcv-full'),
        'mmpretrain': ('mmpretrain',),
        'mmdet': ('mmdet',),
        'mmseg': ('mmsegmentation',),
    },
}
ORIGINAL = ", or with the original OpenMMLab packages '[openmmlab]' instead of '[onedl]'"
NEEDED = ('mmengine', 'mmcv', 'mmpretrain')  # the others are for detection and segmentation alone


class DistributionsError(ImportError):
    """The OpenMMLab packages are missing, or a mixture."""


def install_line(family: str) -> str:
    """How to install a family."""
    return f"pip install 'mmsemiloc[{family}]' (in a checkout: pip install '.[{family}]')"


def names_of(family: str, installed: Collection[str]) -> list[str]:
    """The installed distributions of a family."""
    return [name for names in FAMILIES[family].values() for name in names if name in installed]


def doubled(installed: Collection[str]) -> list[str]:
    """Installed distributions of one family that have the same module."""
    for modules in FAMILIES.values():
        for names in modules.values():
            found = [name for name in names if name in installed]
            if len(found) > 1:
                return found
    return []


def fault(installed: Collection[str], importable: Collection[str]) -> str | None:
    """What is wrong with the installed OpenMMLab packages.

    Args:
        installed: Names of installed distributions, such as 'onedl-mmcv'.
        importable: Names of modules that can be found, such as 'mmcv'.

    Returns:
        A paragraph with the remedy; None if nothing is wrong.
    """
    # Two distributions of one module overwrite each other, within a family or across.
    found = {family: names_of(family, installed) for family in FAMILIES}
    present = [family for family in FAMILIES if found[family]]
    mixed = doubled(installed)
    if len(present) > 1:
        mixed = [name for family in present for name in found[family]]
    if mixed:
        instead = ORIGINAL if len(present) > 1 else ''
        return (
            f'{", ".join(mixed[:-1])} and {mixed[-1]} do not go together: they are '
            'distributions of the same OpenMMLab modules, and overwrite each other. Remove '
            f'them, and install one family: pip uninstall -y {" ".join(mixed)}, then '
            f'{install_line(present[0])}{instead}'
        )

    missing = [module for module in NEEDED if module not in importable]
    if not missing:
        return None

    # A package that is installed without its files lost them to one that was removed.
    family = present[0] if present else 'onedl'
    torn = [name for module in missing for name in FAMILIES[family][module] if name in installed]
    if torn:
        return (
            f'the files of {", ".join(torn)} are gone, perhaps with another distribution of '
            'the same modules that was removed: pip install --force-reinstall --no-deps '
            f'{" ".join(torn)}'
        )

    instead = '' if present else ORIGINAL
    return (
        f'mmsemiloc needs {", ".join(NEEDED)}, and {", ".join(missing)} cannot be found: '
        f'{install_line(family)}{instead}'
    )


def is_installed(name: str) -> bool:
    """Whether there is a distribution of that name."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def check() -> None:
    """Check the OpenMMLab packages without importing them, which takes milliseconds.

    Raises:
        DistributionsError: If they are missing, or a mixture.
    """
    names = {name for modules in FAMILIES.values() for names in modules.values() for name in names}
    installed = {name for name in names if is_installed(name)}
    message = fault(installed, {name for name in NEEDED if find_spec(name)})
    if message:
        raise DistributionsError(message)
