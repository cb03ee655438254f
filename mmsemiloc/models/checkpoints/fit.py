"""Whether the weights of a checkpoint are a model's: all go in, or an error gives the numbers."""

from collections import OrderedDict
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from mmsemiloc.models.checkpoints.dry_load import COUNT, Report, dry_load
from mmsemiloc.models.checkpoints.state_layout import Arranged, arrange

# What the weights are for: to test a model, to resume a run, to start a run of a model (whose
# head may be of another size), or to start a part of a model, such as the backbone.
Purpose = Literal['test', 'resume', 'start', 'part']

SHOWN = 3  # names to give
RESUMED = ('meta', 'message_hub', 'optimizer')  # what a run resumes from, besides weights


@dataclass(frozen=True)
class Fitted:
    """Weights that fit a model.

    Attributes:
        tensors: A state dict that has all the model's tensors, under its own names.
        line: What was loaded, for the log.
        unused: Names in the file of what is not part of the model.
        kept: Names of the classifier's tensors if they are not the file's, but the model's own.
    """

    tensors: OrderedDict[str, Tensor]
    line: str
    unused: list[str]
    kept: list[str]


def some(names: list[str]) -> str:
    """The first names of a list, and how many there are if it is longer."""
    return ', '.join(names[:SHOWN]) + (f', ... ({len(names)})' if len(names) > SHOWN else '')


def inner_model(model: nn.Module) -> nn.Module:
    """A model without what wraps it, for several processes or for test-time augmentation."""
    inner: Any = model
    while is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
        inner = inner.module
    return inner


def with_metadata(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, dict]
) -> OrderedDict[str, Tensor]:
    """A state dict as PyTorch makes it, with what it keeps for each module."""
    state = OrderedDict(tensors)
    state._metadata = OrderedDict(metadata)  # type: ignore[attr-defined]
    return state


def classifier_names(model: nn.Module) -> list[str]:
    """Names of the tensors of the layer of ``model.head`` that gives class scores."""
    head = getattr(model, 'head', None)
    classes = getattr(head, 'num_classes', None)
    if not isinstance(head, nn.Module) or not classes:
        return []

    # A linear layer, or a convolution over single places, with an output per class.
    layers = {
        name: layer
        for name, layer in head.named_modules(prefix='head')
        if isinstance(layer, nn.Linear | nn.Conv2d) and len(layer.weight) == classes
    }
    return [f'{name}.{part}' for name, layer in layers.items() for part in layer.state_dict()]


def head_left_out(
    report: Report, classifier: list[str], state: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> str:
    """Why a classifier does not fit, for people; '' if it does."""
    if not any(name in state for name in classifier):
        return 'none in the file' if classifier else ''

    for name in classifier:
        if name in report.shapes:
            theirs, mine = state[name].shape, own[name].shape
            if name.startswith('head.') and len(theirs) and theirs[1:] == mine[1:]:
                return f'{theirs[0]} classes in the file, {mine[0]} in the model'
            return report.shapes[name]
    return next(
        (f'{name} is missing in the file' for name in classifier if name in report.missing), ''
    )


def advice(report: Report, classifier: list[str], left_out: str) -> str:
    """What to do about weights that do not fit."""
    if not report.without(classifier).faults():
        if left_out == 'none in the file':
            return (
                'the file has no classifier: it can only initialise a run (load_from, or '
                'init_cfg of the backbone)'
            )
        return (
            f'the head differs: {left_out}; set num_classes to that of the file, or start a '
            'training by load_from'
        )

    return 'the config must describe the network that the file was made with'


def check_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Check that all weights are numbers.

    Raises:
        ValueError: If one is not, naming the first tensor.
    """
    for name, tensor in state.items():
        numbers = tensor.is_floating_point() or tensor.is_complex()
        if numbers and not torch.isfinite(tensor).all():
            raise ValueError(
                f'{source}: {name} has values that are not finite (NaN or infinite): '
                'its training failed; take an earlier checkpoint'
            )


def unfit(
    found: Arranged, report: Report, fits: str, kind: str, source: str, hint: str
) -> ValueError:
    """The error of weights that do not fit."""
    faults = report.faults()
    if fits.startswith('0 '):
        faults.append(f'names in the file: {some([*found.unused, *found.state])}')
    return ValueError(f'{fits} tensors of {source} fit {kind}: {"; ".join(faults)}; {hint}')


def fit_state(
    model: nn.Module, content: object, source: str, purpose: Purpose, prefix: str | None = None
) -> Fitted:
    """The weights of a file for a model, all of them.

    Layouts that are understood: a state dict, or a dict that has one under any name ('state_dict'
    before others, a running mean of the weights last); names with prefixes or without ('module.',
    'student.backbone.'); torchvision's and timm's DenseNet and ResNet; other names of the
    classifier ('fc.'). The reading by which most tensors fit is taken.

    Args:
        model: Whose names and shapes are wanted; it is not changed.
        content: What ``torch.load`` returned.
        source: Name of the file, for the line and for errors.
        purpose: 'test' and 'resume' need all of the model, and all of the file. 'start' may leave
            out the layer of class scores where the file has none, or one of another size; 'part'
            wants all of ``model``, a backbone, say. With these two, other parts in the file (a
            neck, another head) are told and not used. BatchNorm's counts may be missing.
        prefix: What the names of the model begin with in the file, e.g. 'target_net.0.'.

    Returns:
        The state dict; what may be left out keeps the model's present values in it.

    Raises:
        ValueError: If it does not fit, has no tensors, or has values that are not finite.
    """
    assert purpose in get_args(Purpose), purpose
    own = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    classifier = [] if purpose == 'part' else classifier_names(model)
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    found = arrange(content, shapes, classifier, source, purpose in ('test', 'resume'), prefix)

    # The verdict is that of the model's modules, which may rename or resize.
    state, kind = found.state, type(model).__name__
    report = dry_load(model, state, found.metadata)
    if purpose == 'start' and not classifier:  # as a detector, with several layers of scores
        classifier = [name for name in report.shapes if name.partition('.')[0].endswith('head')]
    left_out = head_left_out(report, classifier, state, own)
    hint = advice(report, classifier, left_out)
    kept: list[str] = []
    if purpose == 'start' and left_out:
        kept, report = classifier, report.without(classifier)
        state = {name: tensor for name, tensor in state.items() if name not in kept}

    # BatchNorm's counts may be missing; anything else is an error.
    counts = [name for name in own if name.endswith(COUNT) and name not in state]
    fits = f'{len(own) - len({*report.missing, *report.shapes, *counts, *kept})} of {len(own)}'
    if report.faults():
        raise unfit(found, report, fits, kind, source, hint)
    check_finite(state, source)

    # What the file lacks keeps its values, so that the state dict is whole.
    state |= {name: own[name] for name in (*kept, *counts)}
    notes = [
        f'{fits} tensors of {source} loaded into {kind}',
        found.where,
        f'head left out: {left_out}' if kept else '',
        "BatchNorm's counts are not in the file" if counts else '',
        f'not used: {some(found.unused)}' if found.unused else '',
    ]
    line = '; '.join(note for note in notes if note)
    return Fitted(with_metadata(state, found.metadata), line, found.unused, kept)


def fit_mean(
    model: nn.Module, mean: Mapping[str, Tensor], source: str, purpose: Purpose
) -> OrderedDict[str, Tensor]:
    """The running mean that ``EMAHook`` saves beside the weights, fitted as these.

    Raises:
        ValueError: If it does not fit; to resume, if it does not tell its number of steps.
    """
    inside = {name: value for name, value in mean.items() if name.startswith('module.')}
    others = {name: value for name, value in mean.items() if name not in inside}
    if purpose == 'resume' and 'steps' not in others:
        raise ValueError(f"{source} cannot be resumed: 'ema_state_dict' has no 'steps'")

    # MMEngine puts the running mean below `module.`.
    content = with_metadata(inside, getattr(mean, '_metadata', {}))
    fitted = fit_state(model, content, f'{source} (ema_state_dict)', purpose).tensors
    metadata = fitted._metadata.items()  # type: ignore[attr-defined]
    return with_metadata(
        {**others, **{f'module.{name}': fitted[name] for name in fitted}},
        {f'module.{name}'.rstrip('.'): value for name, value in metadata},
    )


def fit_checkpoint(model: nn.Module, checkpoint: object, source: str, purpose: Purpose) -> Fitted:
    """Replace the weights of a checkpoint, before they are loaded, by those that fit; log them.

    Args:
        model: Not wrapped.
        checkpoint: What ``torch.load`` returned; ``state_dict`` is set in place, and
            ``ema_state_dict`` if it has one.
        source: See :func:`fit_state`.
        purpose: See :func:`fit_state`.

    Raises:
        ValueError: If they do not fit, or if a run is to be resumed from weights only.
    """
    fitted = fit_state(model, checkpoint, source, purpose)
    assert isinstance(checkpoint, MutableMapping)  # or there would have been no tensors

    absent = [key for key in RESUMED if key not in checkpoint]
    if purpose == 'resume' and absent:
        raise ValueError(
            f'{source} cannot be resumed: it has no {", ".join(absent)}; start a '
            'training from its weights by load_from'
        )

    mean = checkpoint.get('ema_state_dict')
    if isinstance(mean, Mapping) and checkpoint.get('state_dict') is not None:
        checkpoint['ema_state_dict'] = fit_mean(model, mean, source, purpose)
    checkpoint['state_dict'] = fitted.tensors
    print_log(fitted.line, logger='current')
    return fitted
