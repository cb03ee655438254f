"""Predictions and maps of a trained classifier on a split, and what they are worth."""
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, load_checkpoint
from torch import nn
from torch.utils.data import DataLoader

from mmsemiloc.evaluation import energy_in_box, resize_maps
from mmsemiloc.registry import MODELS


@dataclass(frozen=True)
class Examples:
    """The first images of a split.

    Attributes:
        images: RGB uint8 (N, H, W, 3).
        cams: Maps of the predicted class (N, H, W).
        boxes: True boxes (N, B, 4) [x1, y1, x2, y2] in pixels; B is 0 without boxes.
    """
    images: np.ndarray
    cams: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """Predictions on N images.

    Attributes:
        classes: Names of the classes (C,).
        labels: True classes (N,).
        probabilities: (N, C).
        cam_in_box: Share (0 to 1) of the energy of the predicted class's CAM inside the true box (N,); NaN without a box.
        box_area: Share (0 to 1) of the image that the true box covers (N,); NaN without a box.
        examples: The first images, with their maps.
    """
    classes: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    cam_in_box: np.ndarray
    box_area: np.ndarray
    examples: Examples

    @property
    def predicted(self) -> np.ndarray:
        """Most probable classes (N,)."""
        return self.probabilities.argmax(1)

    def save(self, path: Path) -> None:
        """Write an .npz file that is never half written."""
        partial = path.with_suffix('.partial')
        content = asdict(self)
        with partial.open('wb') as file:
            np.savez_compressed(file, **content.pop('examples'), **content)
        os.replace(partial, path)

    @classmethod
    def load(cls, path: Path) -> 'Evaluation':
        """Read what :meth:`save` wrote."""
        with np.load(path) as file:
            content = dict(file)
        return cls(examples=Examples(*(content.pop(key) for key in ('images', 'cams', 'boxes'))), **content)


def summarize(evaluation: Evaluation) -> dict:
    """Accuracy, mean recall, classes used and the CAM's energy inside the true box, as in ``Result``."""
    boxed = not np.isnan(evaluation.cam_in_box).all()
    right = evaluation.predicted == evaluation.labels
    return dict(
        accuracy=float(right.mean() * 100),
        mean_recall=float(np.mean([right[evaluation.labels == label].mean() for label in np.unique(evaluation.labels)]) * 100),
        classes_used=len(np.unique(evaluation.predicted)),
        num_classes=evaluation.probabilities.shape[1],
        cam_in_box=float(np.nanmean(evaluation.cam_in_box) * 100) if boxed else None,
        box_area=float(np.nanmean(evaluation.box_area) * 100) if boxed else None)


def confusion_matrix(evaluation: Evaluation) -> np.ndarray:
    """Counts (C, C): row the true class, column the predicted one."""
    counts = np.zeros([evaluation.probabilities.shape[1]] * 2, int)
    np.add.at(counts, (evaluation.labels, evaluation.predicted), 1)
    return counts


@torch.no_grad()
def evaluate(model: nn.Module, loader: DataLoader, num_examples: int = 12) -> Evaluation:
    """Run a classifier over a split, batch after batch.

    The map of an image is that of the predicted class, scaled to the size of the network's input; ``data_sample.gt_bbox``,
    if there is one, must be in pixels of that input.

    Args:
        model: A classifier with a ``CAMClsHead``, in evaluation mode.
        loader: Batches of ``inputs`` and ``data_samples``; the dataset's metainfo may name the ``classes``.
        num_examples: How many of the first images to keep, at least 1.

    Raises:
        ValueError: If the head gives no maps.
    """
    if not hasattr(model.head, 'cam'):
        raise ValueError(f'evaluation needs a head of type mmsemiloc.CAMClsHead, got {type(model.head).__name__}')
    columns: dict[str, list] = {key: [] for key in ('label', 'probabilities', 'in_box', 'area')}
    examples: list[tuple[np.ndarray, ...]] = []
    for data in loader:
        batch = model.data_preprocessor(data, False)
        feats = model.extract_feat(batch['inputs'])
        logits = model.head(feats)
        maps = resize_maps(model.head.cam(feats, logits.argmax(1)), batch['inputs'].shape[-2:]).cpu().numpy()
        columns['probabilities'].append(logits.float().softmax(1).cpu().numpy())
        for image, cam, sample in zip(data['inputs'], maps, data['data_samples'], strict=True):
            cam = cam[:image.shape[-2], :image.shape[-1]]  # without the padding of the batch
            boxes = np.reshape(np.asarray(sample.get('gt_bbox', ()), np.float32), (-1, 4))
            columns['label'].append(int(sample.gt_label))
            columns['in_box'].append(energy_in_box(cam, boxes.tolist()) if len(boxes) else np.nan)
            columns['area'].append(energy_in_box(np.ones_like(cam), boxes.tolist()) if len(boxes) else np.nan)
            example = (image.cpu().numpy().transpose(1, 2, 0)[..., ::-1], cam, boxes)
            alike = not examples or all(a.shape == b.shape for a, b in zip(example, examples[0], strict=True))
            if len(examples) < num_examples and alike:  # images of several sizes cannot stand in one array
                examples.append(example)
    probabilities = np.concatenate(columns['probabilities'])
    classes = getattr(loader.dataset, 'metainfo', {}).get('classes') or range(probabilities.shape[1])
    return Evaluation(
        classes=np.array([str(name) for name in classes]),
        labels=np.array(columns['label']),
        probabilities=probabilities,
        cam_in_box=np.array(columns['in_box']),
        box_area=np.array(columns['area']),
        examples=Examples(*(np.stack(part) for part in zip(*examples, strict=True))))


def evaluate_checkpoint(cfg: Config, checkpoint: str, split: str) -> Evaluation:
    """:func:`evaluate` a checkpoint on the ``val`` or ``test`` dataloader of its config.

    Raises:
        ValueError: If the config has no such dataloader.
    """
    if cfg.get(f'{split}_dataloader') is None:
        raise ValueError(f'the config has no {split}_dataloader')
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = MODELS.build(cfg.model)
    load_checkpoint(model, checkpoint, map_location='cpu', strict=True)
    return evaluate(model.to(get_device()).eval(), Runner.build_dataloader(cfg[f'{split}_dataloader'], seed=0))
