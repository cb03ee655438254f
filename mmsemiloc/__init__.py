"""Semi-supervised classification with clustering and locality penalties, for OpenMMLab."""

from mmsemiloc import distributions
from mmsemiloc.version import __version__

__all__ = ['__version__']

# Before the first import of an OpenMMLab package, whose error would not say what is wrong.
distributions.check()

from mmsemiloc.config_prefixes import register_prefixes  # noqa: E402

register_prefixes()
