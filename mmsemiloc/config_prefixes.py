"""Prefixes of ``_base_ = 'package::folder/config.py'`` that MMEngine lacks or resolves to a
distribution that is not there.
"""

from mmengine.config.utils import MODULE2PACKAGE


def register_prefixes() -> None:
    """Let ``mmsemiloc::`` name our configs, and ``mmseg::`` those of MMSegmentation in any of its
    distributions.

    MMEngine looks for ``mmseg::`` in a distribution called mmsegmentation, which OneDL's is not; by
    the name of the module it finds either. A config is read before its ``custom_imports``, so a
    script must import mmsemiloc before it reads a config that inherits one by ``mmsemiloc::``.
    """
    MODULE2PACKAGE.update(mmsemiloc='mmsemiloc', mmseg='mmseg')
