"""A trained classifier as a Python object: photographs in, classes and maps out."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from mmsemiloc.datasets.images.errors import cannot_be_read, in_words
from mmsemiloc.evaluation import predict_batch
from mmsemiloc.inference.photos import PhotoReader, image_pipeline
from mmsemiloc.inference.trained_model import load_model

CONFIG, CHECKPOINT = 'classifier.py', 'classifier.pth'
Image = str | Path | np.ndarray
BATCH = 32


@dataclass(frozen=True)
class PhotoClass:
    """What a classifier says about an image.

    Attributes:
        label: Name of the most probable class.
        confidence: Its probability, 0 to 1.
        probabilities: Those of all classes (C,).
    """

    label: str
    confidence: float
    probabilities: np.ndarray


class Classifier:
    """A config with the weights of a checkpoint. Made by :func:`mmsemiloc.fit` or :meth:`load`.

    Args:
        config: Config file, whose ``test_dataloader`` has the transforms of an image.
        checkpoint: Checkpoint file, which knows the names of the classes.

    Raises:
        ValueError: If a file cannot be read, or the weights are not those of the config's model.
    """

    def __init__(self, config: str | Path, checkpoint: str | Path) -> None:
        self.config_file, self.checkpoint_file = Path(config), Path(checkpoint)
        for file in (self.config_file, self.checkpoint_file):
            if not file.is_file():
                raise ValueError(f'no such file: {file}')

        cfg = Config.fromfile(config)
        cfg.default_scope = 'mmsemiloc'
        self.model: nn.Module
        self.model, meta = load_model(cfg, str(checkpoint))
        self.classes: tuple[str, ...] = tuple((meta.get('dataset_meta') or {}).get('classes') or ())
        if not self.classes:
            raise ValueError(f'{checkpoint} does not know the names of its classes')
        self.reader = PhotoReader(image_pipeline(cfg))

    @classmethod
    def load(cls, folder: str | Path) -> 'Classifier':
        """The classifier that :meth:`save`, or :func:`mmsemiloc.fit`, has written to a folder.

        Example:
            >>> import mmsemiloc
            >>> mmsemiloc.Classifier.load('work_dirs/fit').classes
            ('cat', 'dog', 'ferret')
        """
        return cls(Path(folder) / CONFIG, Path(folder) / CHECKPOINT)

    def save(self, folder: str | Path) -> None:
        """Write the config and the checkpoint to a folder, which is made.

        Example:
            >>> import mmsemiloc
            >>> classifier = mmsemiloc.Classifier.load('work_dirs/fit')
            >>> classifier.save('pets')
            >>> mmsemiloc.Classifier.load('pets').predict('photos/2.png')[0].label
            'ferret'
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for file, name in ((self.config_file, CONFIG), (self.checkpoint_file, CHECKPOINT)):
            if file.resolve() != (folder / name).resolve():
                shutil.copy2(file, folder / name)

    def predict(self, images: Image | Sequence[Image]) -> list[PhotoClass]:
        """Class, confidence and probabilities of images.

        Args:
            images: Files, or arrays (H, W, 3), BGR uint8 as OpenCV has them; one, or several.

        Raises:
            ValueError: With the file, or the number of the array, if one cannot be read.

        Example:
            >>> import mmsemiloc
            >>> classifier = mmsemiloc.Classifier.load('work_dirs/fit')
            >>> [photo] = classifier.predict('photos/0.png')
            >>> photo.label, photo.confidence > 0.5
            ('cat', True)
        """
        found = []
        for probabilities, _ in self._run(images):
            label = int(probabilities.argmax())
            found.append(
                PhotoClass(self.classes[label], float(probabilities[label]), probabilities)
            )
        return found

    def maps(self, images: Image | Sequence[Image]) -> list[np.ndarray]:
        """Class activation map of the most probable class of each image, as the model saw it.

        Args:
            images: As for :meth:`predict`.

        Returns:
            Maps (H, W) at the size of the model's input, in class scores: they may be negative.

        Raises:
            NoMapsError: If the model has no maps.
            ValueError: As :meth:`predict`.

        Example:
            >>> import mmsemiloc
            >>> classifier = mmsemiloc.Classifier.load('work_dirs/fit')
            >>> [one, two] = classifier.maps(['photos/0.png', 'photos/1.png'])
            >>> one.shape
            (224, 224)
        """
        return [cam for _, cam in self._run(images, need_maps=True) if cam is not None]

    def _run(
        self, images: Image | Sequence[Image], need_maps: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Probabilities and map of each image."""
        if isinstance(images, str | Path | np.ndarray):
            images = [images]
        inputs = [self._read(image, place) for place, image in enumerate(images)]

        # Images of one size run together; the order is that of the images.
        for start in range(0, len(inputs), BATCH):
            part = inputs[start : start + BATCH]
            same = len({image.shape for image in part}) == 1
            for group in [part] if same else [[image] for image in part]:
                yield from zip(
                    *predict_batch(self.model, dict(inputs=group), need_maps), strict=True
                )

    def _read(self, image: Image, place: int) -> Tensor:
        """An image as the model takes it."""
        if isinstance(image, np.ndarray):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise ValueError(
                    f'image {place} must be an array (H, W, 3) of uint8, got shape {image.shape} '
                    f'of {image.dtype}'
                )
            results = dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
            return self.reader.rest(results)['inputs']
        try:
            return self.reader.read(Path(image)).image
        except Exception as error:
            if not cannot_be_read(error):
                raise
            raise ValueError(f'cannot read image {place}, {image}: {in_words(error)}') from error


def set_classifier(model: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Give the head of a model the weight (C, D) and bias (C,)."""
    with torch.no_grad():
        model.head.fc.weight.copy_(weight)
        model.head.fc.bias.copy_(bias)


def save_checkpoint(model: nn.Module, classes: Sequence[str], file: Path) -> None:
    """Write the weights of a model, with the names of its classes, as a whole file."""
    content = dict(
        meta=dict(dataset_meta=dict(classes=tuple(classes))), state_dict=model.state_dict()
    )
    partial = file.with_name(f'{file.name}.partial')
    torch.save(content, partial)
    partial.replace(file)
