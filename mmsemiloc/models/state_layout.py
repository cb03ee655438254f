"""Which tensors of a checkpoint belong where in a model: the state dict in the file, prefixes, other projects' names."""
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from mmsemiloc.models.densenet_keys import old_spelling_mended, torchvision_name

Shapes = Mapping[str, tuple[int, ...]]  # of a model's own tensors, by name

# What DataParallel, DDP, torch.compile, FSDP and checkpointing put into names.
WRAPPERS = ('module', '_orig_mod', '_fsdp_wrapped_module', '_checkpoint_wrapped_module')
COUNTERS = ('steps', 'n_averaged')  # entries of averaged models that are no weights
# What other projects call the linear layer that gives class scores.
CLASSIFIERS = ('head.fc.', 'fc.', 'classifier.', 'head.', 'heads.head.', 'classifier.1.', 'last_linear.', 'linear.')
# Parts of a name that tell a copy of the weights, such as a running mean, from the weights themselves.
COPY = re.compile(r'(?:^|[._])(?:ema|swa|teacher|momentum|target|shadow|averaged?|encoder_k|key)(?:[._]|$)')


@dataclass(frozen=True)
class StateDict:
    """A mapping of names to tensors in a file.

    Attributes:
        place: Its dotted place in the file's content, e.g. 'state_dict'; '' if it is the content itself.
        tensors: By name.
        metadata: What PyTorch keeps for each module (version numbers, say), by the module's name.
    """
    place: str
    tensors: dict[str, Tensor]
    metadata: dict[str, dict]


@dataclass(frozen=True)
class Arranged:
    """The tensors of a file under the names of a model.

    Attributes:
        state: Those of the model, and those that would be parts of it but that it does not have.
        metadata: As in :class:`StateDict`, under the model's names.
        unused: Names in the file of what is no part of the model.
        where: What was done to find them, for people; '' if they lay where MMEngine puts them.
    """
    state: dict[str, Tensor]
    metadata: dict[str, dict]
    unused: list[str]
    where: str


@dataclass(frozen=True)
class Match:
    """One way to read a state dict.

    Attributes:
        source: Where the tensors are.
        prefix: What the file's names begin with.
        inserted: What stands in its place in the names of ``names``.
        names: For each name that could be in the file, after ``prefix`` is replaced, the model's own.
        pairs: For each name in the file that was found, the model's own.
        same_shape: How many of these tensors have the model's shape.
    """
    source: StateDict
    prefix: str
    inserted: str
    names: dict[str, str]
    pairs: dict[str, str]
    same_shape: int

    @property
    def is_copy(self) -> bool:
        """Whether the names say that it is a mean or a teacher of the weights."""
        return bool(COPY.search(f'{self.source.place}.{self.prefix}'))

    def rank(self) -> tuple[bool, int, int]:
        """Greatest for the best: more names, more shapes; copies only if nothing else has half of the names."""
        return not self.is_copy and 2 * len(self.pairs) >= len(self.names), len(self.pairs), self.same_shape


def state_dicts(content: object, place: str = '', depth: int = 3) -> Iterator[StateDict]:
    """The mappings of names to tensors in what ``torch.load`` returned, outermost first."""
    if not isinstance(content, Mapping):
        return
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if tensors:
        yield StateDict(place, tensors, dict(getattr(content, '_metadata', None) or {}))
    for key, value in content.items():
        if isinstance(key, str) and depth:
            yield from state_dicts(value, f'{place}.{key}' if place else key, depth - 1)


def candidates(content: object, source: str) -> list[StateDict]:
    """The state dicts that a file offers; only 'state_dict', as in MMEngine, where there is one.

    Raises:
        ValueError: If there is none.
    """
    found = list(state_dicts(content))
    standard = [state for state in found if state.place.split('.')[0] == 'state_dict']
    if not found:
        what = f'a {type(content).__name__}'
        if isinstance(content, nn.Module):
            what = f'a pickled model ({type(content).__name__})'
        elif isinstance(content, Mapping):
            what += f' with the keys {", ".join(map(str, list(content)[:5]))}' if content else ' without entries'
        raise ValueError(f'{source} has no weights by name, it is {what}; save model.state_dict()')
    return standard or found


def main_state(content: object, source: str) -> StateDict:
    """The state dict of a file when there is no model to compare with: the largest that is no copy.

    Raises:
        ValueError: If there is none.
    """
    found = candidates(content, source)
    return max(found, key=lambda state: (not COPY.search(state.place), len(state.tensors)))


def unwrapped(name: str, wrappers: Collection[str]) -> str:
    """A dotted name without the parts that wrappers put in."""
    return '.'.join(part for part in name.split('.') if part not in wrappers)


def without_wrappers(state: StateDict, own: Collection[str]) -> StateDict:
    """A state dict without the parts of names that wrappers put in, and with the new spelling of DenseNet's layers.

    Parts that occur in the model's own names stay, and all do if two names would become one.
    """
    present = {part for name in own for part in name.split('.')}
    wrappers = [part for part in WRAPPERS if part not in present]
    tensors = {old_spelling_mended(unwrapped(name, wrappers)): value for name, value in state.tensors.items()}
    if len(tensors) < len(state.tensors):
        return state
    return StateDict(state.place, tensors, {unwrapped(name, wrappers): value for name, value in state.metadata.items()})


def below(state: StateDict, prefix: str) -> StateDict | None:
    """The part of a state dict whose names, or whose place in the file, begin with ``prefix``; None if there is none."""
    prefix = prefix.rstrip('.') + '.'
    if f'{state.place}.'.endswith(prefix):
        return state
    tensors = {name.removeprefix(prefix): value for name, value in state.tensors.items() if name.startswith(prefix)}
    metadata = {name.removeprefix(prefix): value for name, value in state.metadata.items() if name.startswith(prefix)}
    return StateDict(f'{state.place}.{prefix[:-1]}'.lstrip('.'), tensors, metadata) if tensors else None


def long_prefixes(names: Collection[str], least: float) -> list[str]:
    """'' and the prefixes, up to a dot, that at least ``least`` of the names have, shortest first."""
    counts = Counter(name[:i + 1] for name in names for i, letter in enumerate(name) if letter == '.')
    return ['', *sorted((prefix for prefix, count in counts.items() if count >= least), key=len)]


def name_tables(own: Collection[str]) -> list[dict[str, str]]:
    """For each project that the names of a file may come from: names that the model's tensors have there, and its own."""
    theirs = {}
    for name in own:
        try:
            theirs[torchvision_name(name)] = name
        except ValueError:
            continue
    return [{name: name for name in own}, *([theirs] if 2 * len(theirs) > len(own) else [])]


def matches(state: StateDict, own: Shapes) -> Iterator[Match]:
    """The ways to read a state dict as a model's."""
    for names in name_tables(own):
        for inserted in long_prefixes(names, len(names) / 2):
            wanted = {name.removeprefix(inserted): mine for name, mine in names.items() if name.startswith(inserted)}
            for prefix in long_prefixes(state.tensors, min(len(wanted), len(state.tensors)) / 2):
                pairs = {prefix + name: mine for name, mine in wanted.items() if prefix + name in state.tensors}
                same = sum(tuple(state.tensors[name].shape) == own[mine] for name, mine in pairs.items())
                yield Match(state, prefix, inserted, names, pairs, same)


def best_match(states: list[StateDict], own: Shapes, source: str) -> Match:
    """The way to read a file by which most tensors fit.

    Raises:
        ValueError: If several are as good, with different tensors.
    """
    found = [match for state in states for match in matches(state, own)]
    best = max(found, key=Match.rank)  # the first, which has the shortest prefix
    for other in found:
        same_tensors = other.pairs == best.pairs and other.source is best.source
        if best.pairs and other.rank() == best.rank() and not same_tensors:
            first, second = (f'{match.source.place}: {match.prefix}' for match in (best, other))
            raise ValueError(f'{source} fits in two ways, as {first!r} and as {second!r}; save the one that is meant alone, or '
                             'name it by init_cfg=dict(prefix=...)')
    return best


def described(match: Match) -> str:
    """What was done to find the tensors, for people; '' if nothing."""
    done = [f"in '{match.source.place}'"] if match.source.place not in ('', 'state_dict') else []
    if match.prefix != match.inserted:
        done.append(f"'{match.prefix}' read as '{match.inserted}'" if match.prefix and match.inserted else
                    f"without '{match.prefix}'" if match.prefix else f"with '{match.inserted}' put before")
    if any(name != mine for name, mine in match.names.items()):
        done.append("names of torchvision's DenseNet")
    return ', '.join(done)


def arrange(content: object, own: Shapes, classifier: Collection[str], source: str, whole: bool,
            prefix: str | None = None) -> Arranged:
    """Find the tensors of a model in a file.

    Args:
        content: What ``torch.load`` returned.
        own: Shapes of the model's tensors, by name.
        classifier: Names of those of the linear layer that gives class scores; empty if it has none.
        source: Name of the file, for errors.
        whole: Whether all of the file must be the model's: else other parts beside the model's are only told.
        prefix: What names in the file begin with, or the part of the file. Default: that by which most tensors fit.

    Raises:
        ValueError: If the file has no tensors, none with the prefix, or fits in two ways.
    """
    states = [without_wrappers(state, own) for state in candidates(content, source)]
    if prefix:
        inside = [part for part in (below(state, prefix) for state in states) if part is not None]
        if not inside:
            raise ValueError(f'no name in {source} begins with {prefix!r}; its first names are '
                             f'{", ".join(list(states[0].tensors)[:3])}')
        states = inside
    match = best_match(states, own, source)
    tensors = match.source.tensors
    state = {mine: tensors[name] for name, mine in match.pairs.items()}
    rest = {name: name.removeprefix(match.prefix) for name in tensors
            if name.startswith(match.prefix) and name not in match.pairs}

    # The classifier has a name of its own in most projects.
    if classifier and not any(name in state for name in classifier):
        for begin in CLASSIFIERS:
            pairs = {match.prefix + begin + name.rpartition('.')[2]: name for name in classifier}
            if any(name in rest for name in pairs):
                state |= {mine: tensors[name] for name, mine in pairs.items() if name in rest}
                rest = {name: short for name, short in rest.items() if name not in pairs}
                break

    # What lies among the model's parts counts as one of them, so that another depth of the same network is seen.
    roots = {name.removeprefix(match.inserted).split('.')[0] for name in match.names if name.startswith(match.inserted)}
    if not whole and not match.inserted and 'backbone' in roots:
        roots = {'backbone'}
    surplus = {name: match.inserted + short for name, short in rest.items()
               if short not in COUNTERS and (whole or short.split('.')[0] in roots)}
    state |= {name: tensors[there] for there, name in surplus.items() if name not in state}

    metadata = {(match.inserted + f'{name}.'.removeprefix(match.prefix)).rstrip('.'): value
                for name, value in match.source.metadata.items() if f'{name}.'.startswith(match.prefix)}
    unused = [name for name in tensors if name not in surplus and name not in COUNTERS
              and (name in rest or not name.startswith(match.prefix))]
    return Arranged(state, metadata, unused, described(match))
