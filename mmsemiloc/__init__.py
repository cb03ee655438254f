"""Semi-supervised classification with clustering and locality penalties, for the OpenMMLab ecosystem."""
from mmsemiloc.version import __version__

__all__ = ['__version__']
