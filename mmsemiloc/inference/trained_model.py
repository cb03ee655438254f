"""The model of a config with the weights of a checkpoint."""

from collections.abc import Mapping

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch import nn

from mmsemiloc.models import fit_state, read_checkpoint
from mmsemiloc.registry import MODELS


def load_model(cfg: Config, checkpoint: str) -> tuple[nn.Module, dict]:
    """The config's model with the weights of a checkpoint, ready to predict.

    Returns:
        The model in evaluation mode on the device, and the checkpoint's ``meta``; empty if it has
        none.

    Raises:
        ValueError: If the file cannot be read, or its weights are not those of the model, see
            :func:`fit_state`.
    """
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    model = MODELS.build({'data_preprocessor': cfg.get('data_preprocessor'), **cfg.model})

    content = read_checkpoint(checkpoint)
    # Not strict: fit_state has said already what is missing or left over.
    model.load_state_dict(fit_state(model, content, checkpoint, 'test').tensors, strict=False)
    meta = content.get('meta') if isinstance(content, Mapping) else None
    return model.to(get_device()).eval(), meta or {}
