"""``init_cfg=dict(type='Pretrained')`` that fits, or is an error: MMEngine's loads what it can."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmsemiloc.models.checkpoints.fit import Fitted, Purpose, fit_state
from mmsemiloc.models.checkpoints.weights_only import CheckpointError


def read_checkpoint(path: str) -> object:
    """The content of a checkpoint's file or address, on the CPU.

    A file ``*.safetensors``, as timm and Hugging Face have them, needs the package of that name.

    Raises:
        ValueError: If it is missing or damaged, or holds code.
    """
    try:
        if path.endswith('.safetensors') and '://' not in path:
            from safetensors.torch import load_file

            return load_file(path)
        return CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    except ModuleNotFoundError as error:
        raise ValueError(f'{path} needs safetensors: pip install safetensors') from error
    except FileNotFoundError as error:
        raise ValueError(f'no such checkpoint: {path}') from error
    except CheckpointError:
        raise
    except Exception as error:  # depends on where the file is cut off, or what an address answers
        kind = type(error).__name__
        raise ValueError(f'cannot load checkpoint {path}: {kind}: {error}') from error


def load_backbone(
    backbone: nn.Module, path: str, prefix: str | None = None, purpose: Purpose = 'part'
) -> Fitted:
    """Load a backbone, or another part of a model, from a checkpoint, and log what was loaded.

    Args:
        backbone: Changed in place.
        path: File or address of a checkpoint, see :func:`fit_state`.
        prefix: See :func:`fit_state`.
        purpose: See :func:`fit_state`.

    Raises:
        ValueError: If the checkpoint cannot be read or does not fit; nothing is changed then.
    """
    found = fit_state(backbone, read_checkpoint(path), path, purpose, prefix)
    backbone.load_state_dict(found.tensors, strict=False)
    print_log(found.line, logger='current')
    return found


def is_pretrained(cfg: dict) -> bool:
    """Whether an ``init_cfg`` loads a checkpoint; its type may be a name or the class."""
    kind = cfg.get('type')
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', '')
    return name.split('.')[-1] in ('Pretrained', 'PretrainedInit')


@contextmanager
def pretrained_fits(model: nn.Module) -> Iterator[None]:
    """Keep all ``Pretrained`` of a model's modules from initialisation, and load them after it.

    A checkpoint goes into its module as a whole, see :func:`fit_state`; that of a model with a
    backbone may leave the head out.

    Raises:
        ValueError: If a checkpoint does not fit.
    """
    modules: list[Any] = [module for module in model.modules() if getattr(module, 'init_cfg', None)]
    given = {module: module.init_cfg for module in modules}
    split = {module: [cfg] if isinstance(cfg, dict) else list(cfg) for module, cfg in given.items()}
    first = [module for module in modules if not getattr(module, 'is_init', False)]

    # MMEngine's own loading takes what it can, and says nothing of the rest.
    for module, configs in split.items():
        module.init_cfg = [cfg for cfg in configs if not is_pretrained(cfg)]
    try:
        yield
    finally:
        for module, cfg in given.items():
            module.init_cfg = cfg

    for module in reversed(first):  # parts before the whole, which has the last word
        purpose: Purpose = 'start' if hasattr(module, 'backbone') else 'part'
        for cfg in filter(is_pretrained, split[module]):
            load_backbone(module, cfg['checkpoint'], cfg.get('prefix'), purpose)
