"""Checkpoints for other projects.

They have the weights alone, under the names that a project expects, and say where they come from.
"""

import hashlib
import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import torch
from torch import Tensor

from mmsemiloc.files import write_whole
from mmsemiloc.models.checkpoints.densenet_keys import torchvision_name
from mmsemiloc.models.checkpoints.fit import check_finite
from mmsemiloc.models.checkpoints.state_dicts import main_state
from mmsemiloc.models.checkpoints.weights_only import load_file
from mmsemiloc.version import __version__

State = dict[str, Tensor]
BACKBONE, HEAD = 'backbone.', 'head.fc.'


def bare_backbone(state: State) -> State:
    """The backbone's tensors without 'backbone.'.

    ``init_cfg=dict(type='Pretrained')`` of any backbone loads them.
    """
    return {
        name.removeprefix(BACKBONE): tensor
        for name, tensor in state.items()
        if name.startswith(BACKBONE)
    }


def linear_classifier(state: State) -> State:
    """Backbone and linear layer.

    So has them mmpretrain's ``ImageClassifier`` with a ``LinearClsHead``.
    """
    return {name: tensor for name, tensor in state.items() if name.startswith((BACKBONE, HEAD))}


def timm_densenet(state: State) -> State:
    """The names of timm's and torchvision's DenseNet, with the classifier if there is one."""
    return {torchvision_name(name): tensor for name, tensor in linear_classifier(state).items()}


FORMATS: dict[str, Callable[[State], State]] = {
    'mmdet': bare_backbone,
    'mmseg': bare_backbone,
    'mmpretrain': linear_classifier,
    'timm': timm_densenet,
}


def export(checkpoint: Path, target: str, folder: Path) -> Path:
    """Write the weights of a checkpoint for another project.

    Args:
        checkpoint: File of a classifier or self-supervised model: a state dict, or what MMEngine
            saves. With a mean teacher the weights are those that are evaluated.
        target: One of ``FORMATS``.
        folder: Where to write ``<name of the checkpoint>_<target>-<first 8 digits of the file's
            SHA-256>.pth``.

    Returns:
        The file: ``state_dict``, and ``meta`` with plain values (source file and its SHA-256,
        target, versions, date, number of classes). ``torch.load(weights_only=True)`` reads it.

    Raises:
        ValueError: If the checkpoint has no backbone, or weights that are not finite, or is not a
            DenseNet where the target needs one.
    """
    source = checkpoint.read_bytes()
    content = load_file(io.BytesIO(source), str(checkpoint))
    state = main_state(content, str(checkpoint)).tensors
    check_finite(state, str(checkpoint))

    if not any(name.startswith(BACKBONE) for name in state):
        raise ValueError(
            f'{checkpoint} has no backbone: its first names are {", ".join(list(state)[:3])}'
        )

    # Plain values only, which torch.load(weights_only=True) reads.
    weights = FORMATS[target](state)
    classes = state.get(f'{HEAD}weight')
    meta = dict(
        source=checkpoint.name,
        source_sha256=hashlib.sha256(source).hexdigest(),
        target=target,
        num_classes=None if classes is None else len(classes),
        mmsemiloc=__version__,
        torch=str(torch.__version__),
        date=datetime.fromtimestamp(checkpoint.stat().st_mtime).isoformat(timespec='seconds'),
    )

    # Not into the file: torch.save puts the name of a file into it.
    buffer = io.BytesIO()
    tensors = {name: tensor.detach().clone() for name, tensor in weights.items()}
    torch.save({'state_dict': tensors, 'meta': meta}, buffer)

    digits = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f'{checkpoint.stem}_{target}-{digits}.pth'
    write_whole(file, buffer.getvalue())
    return file
