"""Semi-supervised classification with clustering and locality penalties, for the OpenMMLab ecosystem."""
from mmsemiloc.config_prefixes import register_prefixes
from mmsemiloc.version import __version__

__all__ = ['__version__']

register_prefixes()
