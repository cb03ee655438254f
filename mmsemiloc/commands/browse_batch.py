"""The work of tools/browse_batch.py."""

import argparse

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from rich.console import Console

from mmsemiloc.commands.common import load_config, read_options
from mmsemiloc.files import write_whole
from mmsemiloc.models.views import Views, is_labeled
from mmsemiloc.registry import MODELS
from mmsemiloc.visualization.plots import batch_plot


def build_preprocessor(cfg: Config) -> torch.nn.Module:
    """The preprocessor of the config's model, as the model builds it."""
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    return MODELS.build({'type': 'mmsemiloc.SemiSupDataPreprocessor', **preprocessor})


def to_images(inputs: torch.Tensor, preprocessor: torch.nn.Module) -> np.ndarray:
    """RGB uint8 (N, H, W, 3) of normalised inputs (N, 3, H, W)."""
    if hasattr(preprocessor, 'mean'):
        inputs = inputs * preprocessor.std + preprocessor.mean
    images = inputs.clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy()
    return images if preprocessor.to_rgb else images[..., ::-1]


def class_of(sample: DataSample, classes: tuple) -> str:
    """Class of an image, the most probable one of mixed labels; nothing if it has none."""
    if not is_labeled(sample):
        return ''
    label = int(sample.gt_score.argmax()) if 'gt_score' in sample else int(sample.gt_label)
    return str(classes[label]) if label < len(classes) else str(label)


def titles_of(samples: list, classes: tuple) -> list[str]:
    """Class of each view, and for images in several views which image and view it is."""
    views = [
        f'#{sample.image} {"strong" if sample.view else "weak"}' if 'view' in sample else ''
        for sample in samples
    ]
    return [
        f'{class_of(sample, classes)} {view}'.strip()
        for sample, view in zip(samples, views, strict=True)
    ]


def by_image(samples: list) -> list[int]:
    """Places of the views of a flat batch, so that those of an image follow each other."""
    image = Views.of(samples).image
    return image.argsort(stable=True).tolist()


def run(args: argparse.Namespace) -> int:
    """Draw."""
    console = Console()
    cfg = load_config(args.config, ('model', 'train_dataloader'), read_options(args.cfg_options))
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=args.seed)

    # The model's own preprocessor: some augmentations and mixed labels are its work.
    preprocessor = build_preprocessor(cfg)
    classes = loader.dataset.metainfo.get('classes', ())

    args.out.mkdir(parents=True, exist_ok=True)
    for number, data in zip(range(args.batches), loader, strict=False):
        batch = preprocessor(data, training=True)
        samples = batch['data_samples']

        # Views of an image stand side by side.
        places = by_image(samples)[: args.images]
        shown = [samples[i] for i in places]
        images = to_images(batch['inputs'][places], preprocessor)
        labeled = [is_labeled(sample) for sample in shown]
        file = args.out / f'batch_{number}.png'
        write_whole(file, batch_plot(images, titles_of(shown, classes), labeled))

        kind = 'views' if len(samples) > len(data['data_samples']) else 'images'
        console.print(
            f'{file}: {len(shown)} of {len(samples)} {kind}; {sum(map(is_labeled, samples))} of '
            'the batch are labelled',
            markup=False,
        )
    return 0
