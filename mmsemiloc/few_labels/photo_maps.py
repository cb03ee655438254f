"""Maps of predicted classes over whole photographs."""

from pathlib import Path

import cv2
import numpy as np

from mmsemiloc.few_labels.classifier import Classifier

MAP_SIDE = 160  # pixels of its longer side


def over_photo(classifier: Classifier, file: Path) -> np.ndarray:
    """Map of the predicted class over a whole photo, at most ``MAP_SIDE`` wide and high.

    The classifier may see a part of the photo; the map is 0 outside of it.
    """
    (cam,) = classifier.maps(file)
    places = classifier.reader.read(file).places
    if places is None:
        return cam
    x1, y1, x2, y2 = places.box([0, 0, cam.shape[1], cam.shape[0]])

    shrink = MAP_SIDE / max(places.size)
    width, height = (max(1, round(shrink * side)) for side in places.size)
    left, right = (min(width - 1, round(shrink * x1)), max(1, round(shrink * x2)))
    top, bottom = (min(height - 1, round(shrink * y1)), max(1, round(shrink * y2)))
    whole = np.zeros((height, width), np.float32)
    whole[top:bottom, left:right] = cv2.resize(
        cam.astype(np.float32), (right - left, bottom - top), interpolation=cv2.INTER_AREA
    )
    return whole


def evenly(classes: np.ndarray, number: int) -> np.ndarray:
    """Places of at most ``number`` images, the classes in turns, in order.

    Example:
        >>> evenly(np.array([0, 0, 0, 1]), 3).tolist()
        [0, 1, 3]
    """
    turns = np.empty(len(classes), np.int64)
    for name in np.unique(classes):
        mine = classes == name
        turns[mine] = np.arange(mine.sum())
    return np.sort(np.argsort(turns, kind='stable')[:number])
