"""Semi-supervised classification with clustering and locality penalties, for OpenMMLab."""

from typing import TYPE_CHECKING

from mmsemiloc import distributions
from mmsemiloc.version import __version__

if TYPE_CHECKING:
    from mmsemiloc.few_labels.classifier import Classifier
    from mmsemiloc.few_labels.fit import fit

__all__ = ['Classifier', '__version__', 'fit']

# Before the first import of an OpenMMLab package, whose error would not say what is wrong.
distributions.check()

from mmsemiloc.config_prefixes import register_prefixes  # noqa: E402

register_prefixes()


def __getattr__(name: str) -> object:
    """``fit`` and ``Classifier``, imported when they are asked for: they bring much along."""
    if name == 'fit':
        from mmsemiloc.few_labels.fit import fit

        return fit
    if name == 'Classifier':
        from mmsemiloc.few_labels.classifier import Classifier

        return Classifier
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
