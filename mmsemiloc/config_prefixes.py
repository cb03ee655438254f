"""Prefixes of ``_base_ = 'package::folder/config.py'`` that MMEngine lacks or gets wrong."""

from mmengine.config.utils import MODULE2PACKAGE


def register_prefixes() -> None:
    """Let ``mmsemiloc::`` name our configs, and ``mmseg::`` those of any MMSegmentation.

    MMEngine looks for ``mmseg::`` in a distribution called mmsegmentation. OneDL's has another
    name; by the name of the module MMEngine finds either. A config is read before its
    ``custom_imports``, so a script must import mmsemiloc before it reads a config that inherits one
    by ``mmsemiloc::``.
    """
    MODULE2PACKAGE.update(mmsemiloc='mmsemiloc', mmseg='mmseg')
