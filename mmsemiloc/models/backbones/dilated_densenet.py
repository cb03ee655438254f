"""DenseNet with finer maps: late transitions do not pool, later convolutions are dilated."""

from typing import Any

from mmpretrain.models import DenseNet
from torch import Tensor, nn
from torch.nn import functional as F

from mmsemiloc.registry import MODELS

STEM_STRIDE = 4


class DenseAvgPool(nn.Module):
    """Average of 2 x 2 places that are ``dilation`` apart, at every place.

    Maps keep their size (edges are repeated).
    """

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        """(T, D, H, W) -> (T, D, H, W)."""
        d = self.dilation
        x = F.pad(x, (0, d, 0, d), mode='replicate')
        x = x[..., :-d] + x[..., d:]
        return (x[..., :-d, :] + x[..., d:, :]) / 4


def dilate(densenet: DenseNet, output_stride: int) -> None:
    """Change a DenseNet in place so that its maps are not coarser than ``output_stride`` pixels.

    Every transition that would make them coarser averages at every place instead of every second
    one, and the 3x3 convolutions behind it reach twice as far. So each place of the stock model's
    map keeps its value (for images whose size is a multiple of the stock stride), and the finer map
    has places between them.
    """
    stride, dilation = STEM_STRIDE, 1  # of the maps of the present stage
    for stage, transition in zip(densenet.stages, densenet.transitions, strict=True):
        for layer in stage.block:
            layer.conv2.dilation = layer.conv2.padding = (dilation, dilation)
        if not hasattr(transition, 'pool'):  # the last one never does
            continue

        # Either the map is halved, or what is behind it reaches twice as far.
        if stride == output_stride:
            transition.pool = DenseAvgPool(dilation)
            dilation *= 2
        else:
            stride *= 2


@MODELS.register_module()
class DilatedDenseNet(DenseNet):
    """mmpretrain's DenseNet with finer maps: by default 14x14 instead of 7x7 at 224 pixels.

    The parameters are those of the stock DenseNet, by name and shape, so checkpoints load both
    ways, strictly.

    Args:
        output_stride: Pixels of the image per place of the last map: 4, 8, 16 ... up to the stock
            stride (32 for 4 blocks).
        **kwargs: For mmpretrain's ``DenseNet``.

    Raises:
        ValueError: If ``output_stride`` is none of these.
    """

    def __init__(self, output_stride: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        strides = [STEM_STRIDE * 2**i for i in range(self.num_stages)]
        if output_stride not in strides:
            raise ValueError(f'output_stride must be one of {strides}, got {output_stride}')
        dilate(self, output_stride)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter's layer, from 0 for the stem, and the number of layers.

        A block counts as one layer, with the transition behind it. MMPretrain's
        ``LearningRateDecayOptimWrapperConstructor`` reads it.

        Args:
            param_name: Name of the parameter in the model.
            prefix: What the names of the backbone's begin with; the last layer is the
                classifier's, and has all others.
        """
        number = self.num_stages + 2
        if not param_name.startswith(prefix):
            return number - 1, number

        part, i, *_ = param_name.removeprefix(prefix).split('.')
        return 0 if part == 'stem' else int(i) + 1, number
