"""Few labels and a pretrained backbone: features that are computed once, and classifiers on them.

- ``feature_store.py`` keeps features on disk, ``features.py`` fills it.
- ``problems.py`` and ``solver.py``: many linear classifiers on the same features at once.
- ``methods.py`` and ``selection.py``: what is compared, and settings by cross-validation.
- ``label_csv.py`` and ``photos.py``: which photographs of one's own there are.
- ``fit.py``, ``classifier.py``, ``report.py``: what is made of them.
"""
