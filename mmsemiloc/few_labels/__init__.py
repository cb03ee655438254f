"""Few labels and a pretrained backbone: features that are computed once, and classifiers on them.

- ``feature_store.py`` keeps features on disk, ``features.py`` computes them, ``projection.py``
  makes them short.
- ``solver.py`` trains many linear classifiers on the same features at once.
- ``settings.py`` and ``selection.py``: what is compared, and the choice by cross-validation.
- ``label_csv.py`` and ``photos.py``: which photographs of one's own there are.
- ``fit.py`` and ``classifier.py``: what is made of them.
- ``outcome.py``, ``report.py``, ``report_sections.py``, ``thumbnails.py`` and ``label_next.py``:
  the page about it, and which images to label next.
"""
