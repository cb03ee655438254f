"""Few labels and a pretrained backbone: features that are computed once, and classifiers on them.

- ``features.py`` computes features of ``image_views.py`` with a ``fused_backbone.py``,
  ``feature_store.py`` keeps them on disk, ``projection.py`` makes them short.
- ``solver.py`` trains many linear classifiers at once, each with a ``whole_set_loss.py``.
- ``cached_features.py`` and ``feature_start_hook.py``: frozen features in the framework.
- ``settings.py`` and ``selection.py``: what is compared, and the choice by cross-validation.
- ``label_csv.py``, ``photos.py`` and ``readable.py``: which photographs of one's own there are.
- ``backbones.py``: which pretrained ones there are; ``foreign_backbones.py`` makes a classifier of
  those in ``mmpretrain_backbones.py`` and ``timm_backbones.py``.
- ``fit.py``: ``extraction.py``, ``learning.py`` and ``fine_tuning.py`` in turn; what comes of it is
  a ``classifier.py`` with its ``result_config.py``.
- ``conclusion.py``, ``outcome.py``, ``report.py``, ``report_sections.py``, ``photo_maps.py``,
  ``thumbnails.py`` and ``label_next.py``: the page about it, and which images to label next.
- ``progress.py`` and ``quiet.py``: what is said meanwhile, and what is not.
"""
