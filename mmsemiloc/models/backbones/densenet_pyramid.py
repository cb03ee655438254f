"""DenseNet as the backbone of a detector or segmenter: the maps of its dense blocks."""

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from typing import Any

from mmpretrain.models import DenseNet
from mmpretrain.models.backbones.densenet import DenseLayer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from mmsemiloc.models.backbones.dilated_densenet import STEM_STRIDE, dilate
from mmsemiloc.models.batch_norm import statistics_at_rest
from mmsemiloc.models.checkpoints.backbone import pretrained_fits
from mmsemiloc.registry import MODELS


class AtRest(ExitStack):
    """:func:`statistics_at_rest` that can be entered any number of times, once a recomputation."""

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.norm = norm

    def __enter__(self) -> 'AtRest':
        self.enter_context(statistics_at_rest(self.norm))
        return super().__enter__()


class RecomputedDenseLayer(DenseLayer):
    """A dense layer whose BatchNorm sees each image once, also with ``memory_efficient``.

    The stock layer then computes its bottleneck again for the gradient, and updates the running
    statistics a second time.
    """

    @classmethod
    def like(cls, layer: DenseLayer) -> 'RecomputedDenseLayer':
        """The same layer, with its parameters, as one of this class."""
        new = cls.__new__(cls)
        new.__dict__.update(layer.__dict__)  # building one would draw random numbers
        return new

    def call_checkpoint_bottleneck(self, x: list[Tensor]) -> Tensor:
        """List of (T, D_i, H, W) -> (T, D, H, W)."""
        return checkpoint(
            lambda *xs: self.bottleneck_fn(xs),
            *x,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), AtRest(self.norm1)),
        )


@MODELS.register_module()
class DenseNetPyramid(DenseNet):
    """mmpretrain's DenseNet with the output of every dense block.

    Its maps have 4, 8, 16 and 32 pixels per place.

    The stock DenseNet returns maps that its transitions have halved already, which is 8, 16, 32 and
    32. Here the output of a block is that of its last concatenation; the last block's goes through
    the final BatchNorm and ReLU, as for the classifier. Channels for ``out_indices=(0, 1, 2, 3)``,
    also in ``out_channels``:

    ===== =====================
    arch  channels
    ===== =====================
    121   256, 512, 1024, 1024
    161   384, 768, 2112, 2208
    169   256, 512, 1280, 1664
    201   256, 512, 1792, 1920
    ===== =====================

    The parameters are those of the stock DenseNet, by name and shape.
    ``init_cfg=dict(type='Pretrained', checkpoint=...)`` takes checkpoints of mmpretrain, of
    mmsemiloc and of torchvision; one that does not fit is an error.

    Args:
        arch: '121', '161', '169', '201', or a dict with ``growth_rate``, ``depths`` and
            ``init_channels``.
        out_indices: Blocks to return, from 0, in ascending order. Parts behind the last one are not
            computed, and frozen.
        frozen_stages: -1 freezes nothing, 0 the stem, k the stem and the first k blocks with their
            transitions. Frozen parts stay in evaluation mode.
        norm_eval: Keep all BatchNorm layers in evaluation mode.
        output_stride: The most pixels of the image per place of any map: 8 gives maps of 4, 8, 8
            and 8 by dilation (see :func:`dilate`). None: as many as there are.
        **kwargs: For mmpretrain's ``DenseNet``, e.g. ``memory_efficient=True`` for less memory and
            about a third more time.

    Raises:
        ValueError: If ``out_indices``, ``frozen_stages`` or ``output_stride`` does not exist for
            the architecture; in ``init_weights``, if the checkpoint does not fit.
    """

    def __init__(
        self,
        arch: str | dict = '121',
        out_indices: Sequence[int] = (0, 1, 2, 3),
        frozen_stages: int = -1,
        norm_eval: bool = True,
        output_stride: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(arch, out_indices=list(out_indices), frozen_stages=frozen_stages, **kwargs)
        stages = self.num_stages
        if not out_indices or list(out_indices) != sorted({*out_indices} & {*range(stages)}):
            raise ValueError(
                f'out_indices must ascend from 0 to at most {stages - 1}, got {out_indices}'
            )
        if frozen_stages not in range(-1, stages + 1):
            raise ValueError(f'frozen_stages must be from -1 to {stages}, got {frozen_stages}')

        strides = [STEM_STRIDE * 2**i for i in range(stages)]
        if output_stride not in (None, *strides):
            raise ValueError(f'output_stride must be None or one of {strides}, got {output_stride}')

        # Behind a dilated block, maps keep the stride that they have.
        self.norm_eval = norm_eval
        self.strides = [min(strides[i], output_stride or strides[-1]) for i in out_indices]
        self.out_channels = [self._channels(i) for i in out_indices]

        if output_stride is not None:
            dilate(self, output_stride)
        for stage in self.stages:
            stage.block = nn.ModuleList(RecomputedDenseLayer.like(layer) for layer in stage.block)

    def _channels(self, i: int) -> int:
        """Channels of block ``i``."""
        first = self.stages[i].block[0]
        return first.norm1.num_features + self.depths[i] * self.growth_rate

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps of the blocks ``out_indices`` for images (T, 3, H, W).

        Each is (T, ``out_channels[i]``, H / ``strides[i]``, W / ``strides[i]``).
        """
        x = self.stem(x)
        outputs = []

        for i in range(self.out_indices[-1] + 1):
            if i > 0:
                x = self.transitions[i - 1](x)
            x = self.stages[i](x)
            if i in self.out_indices:
                outputs.append(self.transitions[i](x) if i == self.num_stages - 1 else x)

        return tuple(outputs)

    def _freeze_stages(self) -> None:
        """Freeze what is no longer trained, and what is behind the last output.

        DDP would wait for the gradients of the latter.
        """
        n, last = max(self.frozen_stages, 0), max(self.out_indices, default=-1)
        frozen = [*self.stages[:n], *self.transitions[:n]]
        if self.frozen_stages >= 0:
            frozen.append(self.stem)
        if last < self.num_stages - 1:
            frozen += [*self.stages[last + 1 :], *self.transitions[last:]]
        for module in frozen:
            module.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> 'DenseNetPyramid':
        """Set the mode of all that is not frozen."""
        super().train(mode)  # which freezes again
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` says, with a checkpoint that has to fit."""
        with pretrained_fits(self):
            super().init_weights()
