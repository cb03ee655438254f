"""Whether the weights of a checkpoint are a model's: all of them go in, or it is an error that gives the numbers."""
import copy
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn
from torch.nn.modules.module import _IncompatibleKeys

from mmsemiloc.models.state_layout import arrange

# What the weights are for: to test a model, to go on with a run, to start a run of a classifier (whose head may be of another
# size), or to start a part of a model, such as the backbone.
Purpose = Literal['test', 'resume', 'start', 'part']

SHOWN = 3  # names to give
COUNT = 'num_batches_tracked'  # BatchNorm's count of batches, which old checkpoints lack
MISMATCH = re.compile(r'size mismatch for (\S+): copying a param with shape (?:torch\.Size)?(.+?) from checkpoint, '
                      r'the shape in current model is (?:torch\.Size)?(.+?)\.$')
RESUMED = ('meta', 'message_hub', 'optimizer')  # what a checkpoint must have besides weights to go on from


@dataclass(frozen=True)
class Fitted:
    """Weights that fit a model.

    Attributes:
        tensors: A state dict that has all the model's tensors, under its own names.
        line: What was loaded, for the log.
        unused: Names in the file of what is no part of the model.
    """
    tensors: OrderedDict[str, Tensor]
    line: str
    unused: list[str]


@dataclass
class Report:
    """What loading a state dict would leave.

    Attributes:
        missing: The model's names that it lacks, but for BatchNorm's counts and what modules compute themselves.
        shapes: What is of another shape, by the model's name.
        unknown: Names that the model does not have.
        other: Whatever else the model's modules said.
    """
    missing: list[str] = field(default_factory=list)
    shapes: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """For each kind of fault, how many there are and the first."""
        kinds = (('missing', self.missing), ('of another shape', list(self.shapes.values())), ('unknown', self.unknown),
                 ('refused', self.other))
        return [f'{len(names)} {kind}, first {names[0]}' for kind, names in kinds if names]


def some(names: list[str]) -> str:
    """The first names of a list, and how many there are if it is longer."""
    return ', '.join(names[:SHOWN]) + (f', ... ({len(names)})' if len(names) > SHOWN else '')


def inner_model(model: nn.Module) -> nn.Module:
    """A model without what wraps it, for several processes or for test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def skeleton(model: nn.Module) -> nn.Module:
    """A copy of a model whose tensors have shapes but no values, and take no memory."""
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    empty = {key: torch.empty_like(tensor, device='meta', requires_grad=False) for key, tensor in tensors.items()}
    memo: dict[int, object] = {key: nn.Parameter(value, tensors[key].requires_grad)
                               if isinstance(tensors[key], nn.Parameter) else value for key, value in empty.items()}
    return copy.deepcopy(model, memo)


def dry_load(model: nn.Module, state: Mapping[str, Tensor], metadata: Mapping[str, dict]) -> Report:
    """What loading a state dict would leave, without changing the model.

    The model's modules take part as in loading: those that rename tensors, or resize position embeddings, do so.
    """
    missing: list[str] = []
    unknown: list[str] = []
    errors: list[str] = []

    def load(module: nn.Module, part: dict[str, Tensor], prefix: str) -> None:
        module._load_from_state_dict(part, prefix, metadata.get(prefix[:-1], {}), True, missing, unknown, errors)
        for name, child in module._modules.items():
            if child is not None:
                begin = f'{prefix}{name}.'
                load(child, {key: value for key, value in part.items() if key.startswith(begin)}, begin)
        for hook in module._load_state_dict_post_hooks.values():
            hook(module, _IncompatibleKeys(missing, unknown))

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')  # of copying to tensors without values
        try:
            load(skeleton(model), dict(state), '')
        except Exception as error:  # of a module that cannot convert what it is given
            errors.append(f'{type(error).__name__}: {error}'.splitlines()[0])
    # Names that the file has can only be missing because a module computes these tensors itself.
    report = Report([name for name in missing if name not in state and not name.endswith(COUNT)], {}, unknown)
    for message in errors:
        if found := MISMATCH.search(message):
            name, theirs, own = (text.replace('[', '').replace(']', '') for text in found.groups())
            report.shapes[name] = f'{name} is {theirs}, expected {own}'
        else:
            report.other.append(message)
    return report


def classifier_names(model: nn.Module) -> list[str]:
    """Names of the tensors of the layer of ``model.head`` that gives class scores; empty if there is none."""
    head = getattr(model, 'head', None)
    classes = getattr(head, 'num_classes', None)
    if not isinstance(head, nn.Module) or not classes:
        return []
    return [f'head.{name}.{part}'.replace('..', '.') for name, layer in head.named_modules()
            if isinstance(layer, nn.Linear | nn.Conv2d) and len(layer.weight) == classes
            for part, _ in layer.named_parameters()]


def head_left_out(report: Report, classifier: list[str], state: Mapping[str, Tensor],
                  own: Mapping[str, Tensor]) -> str:
    """Why a classifier does not fit, for people; '' if it does."""
    if not any(name in state for name in classifier):
        return 'none in the file' if classifier else ''
    shapes = [name for name in classifier if name in report.shapes]
    if shapes:
        theirs, mine = state[shapes[0]].shape, own[shapes[0]].shape
        if shapes[0].startswith('head.') and len(theirs) and theirs[1:] == mine[1:]:
            return f'{theirs[0]} classes in the file, {mine[0]} in the model'
        return report.shapes[shapes[0]]
    return next((f'{name} is missing in the file' for name in classifier if name in report.missing), '')


def advice(report: Report, classifier: list[str], left_out: str) -> str:
    """What to do about weights that are no model's."""
    faults = [*report.missing, *report.shapes]
    if left_out and faults and set(faults) <= set(classifier) and not report.unknown:
        if left_out == 'none in the file':
            return 'the file has no classifier: it can start a training (load_from, or init_cfg of the backbone), not more'
        return f'the head differs: {left_out}; set num_classes to that of the file, or start a training by load_from'
    return 'the config must describe the network that the file was made with'


def check_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Check that all weights are numbers.

    Raises:
        ValueError: If one is not, naming the first tensor.
    """
    for name, tensor in state.items():
        if (tensor.is_floating_point() or tensor.is_complex()) and not torch.isfinite(tensor).all():
            raise ValueError(f'{source}: {name} has values that are not finite (NaN or infinite): its training failed; take '
                             'an earlier checkpoint')


def fit_state(model: nn.Module, content: object, source: str, purpose: Purpose, prefix: str | None = None) -> Fitted:
    """The weights of a file for a model, all of them.

    Layouts that are understood: a state dict, or a dict that has one under any name ('state_dict' before others, a running mean
    of the weights last); names with prefixes or without ('module.', 'student.backbone.'); torchvision's and timm's DenseNet and
    their ResNet; other names of the classifier ('fc.'). That which fits most tensors is taken.

    Args:
        model: Whose names and shapes are wanted; it is not changed.
        content: What ``torch.load`` returned.
        source: Name of the file, for the line and for errors.
        purpose: 'test' and 'resume' need all of the model, and all of the file. 'start' may leave out the layer of class scores
            where the file has none, or one of another size; 'part' wants all of ``model``, a backbone, say. With these
            two, other parts in the file (a neck, another head) are told and not used. BatchNorm's counts may be missing.
        prefix: What the names of the model begin with in the file, e.g. 'target_net.0.'.

    Returns:
        The state dict; what may be left out keeps the model's present values in it.

    Raises:
        ValueError: If it does not fit, has no tensors, or has values that are not finite.
    """
    assert purpose in get_args(Purpose), purpose
    own = model.state_dict()
    classifier = [] if purpose == 'part' else [name for name in classifier_names(model) if name in own]
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items() if isinstance(tensor, Tensor)}
    found = arrange(content, shapes, classifier, source, purpose in ('test', 'resume'), prefix)

    # The verdict is that of the model's modules, which may rename or resize.
    state, report = found.state, dry_load(model, found.state, found.metadata)
    if purpose == 'start' and not classifier:  # a detector, say, whose heads have more than one such layer
        classifier = [name for name in report.shapes if name.partition('.')[0].endswith('head')]
    left_out = head_left_out(report, classifier, state, own)
    hint = advice(report, classifier, left_out)
    fits = len(shapes) - len({*report.missing, *report.shapes, *absent_counts(shapes, state)})
    if purpose == 'start' and left_out:
        state = {name: tensor for name, tensor in state.items() if name not in classifier}
        report.missing = [name for name in report.missing if name not in classifier]
        report.shapes = {name: text for name, text in report.shapes.items() if name not in classifier}
        fits = len(shapes) - len({*report.missing, *report.shapes, *absent_counts(shapes, state), *classifier})
    kind = type(model).__name__
    if faults := report.faults():
        if not fits:
            faults.append(f'names in the file: {some([*found.unused, *state])}')
        raise ValueError(f'{fits} of {len(shapes)} tensors of {source} fit {kind}: {"; ".join(faults)}; {hint}')
    check_finite(state, source)

    # What the file lacks keeps its values, so that the state dict is whole.
    notes = [found.where] if found.where else []
    if purpose == 'start' and left_out:
        notes.append(f'head left out: {left_out}')
        state |= {name: own[name] for name in classifier}
    if counts := absent_counts(shapes, state):
        notes.append("BatchNorm's counts are not in the file")
        state |= {name: own[name] for name in counts}
    if found.unused:
        notes.append(f'not used: {some(found.unused)}')
    whole = OrderedDict(state)
    whole._metadata = OrderedDict(found.metadata)  # type: ignore[attr-defined]
    return Fitted(whole, '; '.join([f'{fits} of {len(shapes)} tensors of {source} loaded into {kind}', *notes]), found.unused)


def absent_counts(own: Mapping[str, object], state: Mapping[str, Tensor]) -> list[str]:
    """The model's counts of batches that a state dict lacks."""
    return [name for name in own if name.endswith(COUNT) and name not in state]


def fit_mean(model: nn.Module, mean: Mapping[str, Tensor], source: str, purpose: Purpose) -> OrderedDict[str, Tensor]:
    """The running mean of the weights that a checkpoint of ``EMAHook`` has beside them, fitted as these.

    Raises:
        ValueError: If it does not fit; to resume, if it does not tell its number of steps.
    """
    others = {name: value for name, value in mean.items() if not name.startswith('module.')}
    if purpose == 'resume' and 'steps' not in others:
        raise ValueError(f"{source} cannot be resumed: 'ema_state_dict' has no 'steps'")
    inside = OrderedDict((name, value) for name, value in mean.items() if name.startswith('module.'))
    inside._metadata = getattr(mean, '_metadata', OrderedDict())  # type: ignore[attr-defined]
    fitted = fit_state(model, inside, f'{source} (ema_state_dict)', purpose).tensors
    whole = OrderedDict({**others, **{f'module.{name}': value for name, value in fitted.items()}})
    whole._metadata = OrderedDict({f'module.{name}'.rstrip('.'): value  # type: ignore[attr-defined]
                                   for name, value in fitted._metadata.items()})  # type: ignore[attr-defined]
    return whole


def fit_checkpoint(model: nn.Module, checkpoint: object, source: str, purpose: Purpose) -> None:
    """Replace the weights of a checkpoint, before they are loaded, by those that fit a model; log what they are.

    Args:
        model: Not wrapped.
        checkpoint: What ``torch.load`` returned; ``state_dict`` is set in place, and ``ema_state_dict`` if it has one.
        source: See :func:`fit_state`.
        purpose: See :func:`fit_state`.

    Raises:
        ValueError: If they do not fit, or if the run cannot be resumed because the file has weights only.
    """
    fitted = fit_state(model, checkpoint, source, purpose)
    assert isinstance(checkpoint, MutableMapping)  # or there would have been no tensors
    absent = [key for key in RESUMED if key not in checkpoint]
    if purpose == 'resume' and absent:
        raise ValueError(f'{source} cannot be resumed: it has no {", ".join(absent)}; start a training from its weights by '
                         'load_from')
    if isinstance(mean := checkpoint.get('ema_state_dict'), Mapping) and checkpoint.get('state_dict') is not None:
        checkpoint['ema_state_dict'] = fit_mean(model, mean, source, purpose)
    checkpoint['state_dict'] = fitted.tensors
    print_log(fitted.line, logger='current')
