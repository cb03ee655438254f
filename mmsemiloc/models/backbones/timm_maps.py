"""Networks of timm, as backbones that give maps."""

import math
from typing import Any

from mmpretrain.models import TIMMBackbone
from torch import Tensor

from mmsemiloc.models.checkpoints.backbone import pretrained_fits
from mmsemiloc.registry import MODELS


def as_map(features: Tensor, size: tuple[int, int], prefix: int, channels_last: bool) -> Tensor:
    """What a network of timm gives without its pooling, as a map (N, D, H, W).

    Args:
        features: A map (N, D, H, W) or (N, H, W, D), tokens (N, T, D), or a vector (N, D), which
            stays as it is.
        size: Height and width of the images.
        prefix: How many of the tokens are of no place: class token, registers.
        channels_last: Whether the map is (N, H, W, D).

    Raises:
        ValueError: If the other tokens are not a grid as wide and high as the images.
    """
    if features.dim() == 4:
        return features.permute(0, 3, 1, 2).contiguous() if channels_last else features
    if features.dim() != 3:
        return features

    # The grid has the shape of the images.
    patches = features[:, prefix:]
    height = round(math.sqrt(patches.size(1) * size[0] / size[1]))
    width = round(patches.size(1) / max(1, height))
    if height * width != patches.size(1):
        raise ValueError(
            f'{patches.size(1)} tokens are no grid over images of {size[0]} x {size[1]} pixels'
        )
    return patches.transpose(1, 2).reshape(len(patches), -1, height, width)


@MODELS.register_module()
class TIMMMaps(TIMMBackbone):
    """``TIMMBackbone`` whose features are maps, with layers that can learn at different rates.

    The patch tokens of a transformer become a map, without the class token; maps whose channels are
    last are turned. A network that gives a vector alone has no maps.

    Args:
        model_name: Name of a network of timm.
        **kwargs: For ``TIMMBackbone``. A checkpoint of ``init_cfg`` has to fit.

    Raises:
        ValueError: In ``init_weights``, if the checkpoint does not fit.
    """

    def __init__(self, model_name: str, **kwargs: Any) -> None:
        super().__init__(model_name, **kwargs)
        self._depths: dict[str, int] = {}

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Maps (N, D, H, W) of images (N, 3, H', W')."""
        height, width = images.shape[-2:]
        prefix = getattr(self.timm_model, 'num_prefix_tokens', 0)
        last = str(getattr(self.timm_model, 'output_fmt', '')).endswith('NHWC')
        features = super().forward(images)
        return tuple(as_map(part, (height, width), prefix, last) for part in features)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter's layer, from 0 for the stem, and the number of layers.

        Layers are timm's own groups. MMPretrain's ``LearningRateDecayOptimWrapperConstructor``
        reads them.

        Args:
            param_name: Name of the parameter in the model.
            prefix: What the names of the backbone's begin with; the last layer is the
                classifier's, and has all others.
        """
        if not self._depths:
            from timm.models import group_parameters

            groups = self.timm_model.group_matcher(coarse=True)
            self._depths = group_parameters(self.timm_model, groups, reverse=True)
        number = max(self._depths.values()) + 2
        name = param_name.removeprefix(prefix).removeprefix('timm_model.')
        if not param_name.startswith(prefix):
            return number - 1, number
        return self._depths.get(name, number - 1), number

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` says, with a checkpoint that has to fit."""
        with pretrained_fits(self):
            super().init_weights()
