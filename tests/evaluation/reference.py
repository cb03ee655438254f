"""The published definitions, written down slowly: every threshold and box by itself."""

import cv2
import numpy as np

TAUS = [i * 0.001 for i in range(1000)]


def normalize(cam):
    low = min(float(v) for v in cam.flat)
    shifted = np.array([[np.float32(v) - np.float32(low) for v in row] for row in cam], np.float32)
    top = shifted.max()
    return shifted / top if top > 0 else np.zeros_like(shifted)


def contour_box(contour, width, height):
    xs, ys = contour[:, 0, 0], contour[:, 0, 1]
    return [
        int(min(xs)),
        int(min(ys)),
        int(min(max(xs) + 1, width - 1)),
        int(min(max(ys) + 1, height - 1)),
    ]


def boxes_at(grey, tau):
    """Box of the largest contour, and boxes of all contours."""
    height, width = grey.shape
    above = np.where(grey > int(tau * int(grey.max())), 255, 0).astype(np.uint8)
    contours, _ = cv2.findContours(above, cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return [0, 0, 0, 0], [[0, 0, 0, 0]]
    areas = [cv2.contourArea(contour) for contour in contours]
    every = [contour_box(contour, width, height) for contour in contours]
    return every[areas.index(max(areas))], every


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    both = max(width, 0) * max(height, 0)
    return both / (
        (a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1) - both
    )


def hits(cam, true_boxes):
    """Lists over thresholds: largest contour at IoU 0.5; best contour at IoU 0.3, 0.5, 0.7."""
    grey = (normalize(cam) * 255).astype(np.uint8)
    rows = [[], [], [], []]
    for tau in TAUS:
        largest, every = boxes_at(grey, tau)
        rows[0].append(max(iou(largest, box) for box in true_boxes) >= 0.5)
        best = max(iou(box, true) for box in every for true in true_boxes)
        for row, least in zip(rows[1:], (0.3, 0.5, 0.7), strict=True):
            row.append(best >= least)
    return rows


def max_box_acc(hits_of_images, rows):
    """Mean over some rows of the best share of images over thresholds, %."""
    shares = [
        max(np.mean([image[row][k] for image in hits_of_images]) for k in range(1000))
        for row in rows
    ]
    return 100 * float(np.mean(shares))


def pixel_ap(cams, masks):
    """Area under precision over recall at the thresholds 1, 0.999, ... 0, over the pixels of all
    images, %.
    """
    values = np.concatenate([normalize(cam).ravel() for cam in cams]).astype(np.float64)
    truth = np.concatenate([mask.ravel() for mask in masks])
    values, truth = values[truth != 255], truth[truth != 255]
    total = last = 0.0
    for tau in [1.0, *np.arange(0, 1, 0.001)[::-1]]:
        kept = truth[values >= tau]
        recall = (kept == 1).sum() / (truth == 1).sum()
        if len(kept):
            total += (kept == 1).mean() * (recall - last)
        last = recall
    return 100 * total
