"""Which tensors of a file belong where in a model: prefixes, and names of other projects."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from mmsemiloc.models.checkpoints.densenet_keys import torchvision_name
from mmsemiloc.models.checkpoints.state_dicts import (
    COPY,
    StateDict,
    below,
    candidates,
    part_of,
    without_wrappers,
)

Shapes = Mapping[str, tuple[int, ...]]  # of a model's own tensors, by name

COUNTERS = ('steps', 'n_averaged')  # entries of averaged models that are not weights
# What other projects call the linear layer that gives class scores.
CLASSIFIERS = (
    'head.fc.',
    'fc.',
    'classifier.',
    'head.',
    'heads.head.',
    'classifier.1.',
    'last_linear.',
    'linear.',
)


@dataclass(frozen=True)
class Match:
    """One way to read a state dict.

    Attributes:
        source: Where the tensors are.
        prefix: What the file's names begin with.
        inserted: What stands in its place in the names of ``names``.
        names: For each name that could be in the file, once ``prefix`` is replaced, the model's.
        pairs: For each name in the file that was found, the model's own.
        same_shape: How many of these tensors have the model's shape.
    """

    source: StateDict
    prefix: str
    inserted: str
    names: dict[str, str]
    pairs: dict[str, str]
    same_shape: int

    def rank(self) -> tuple[bool, int, int]:
        """Greatest for the best: most names, then shapes; copies only if no other has half."""
        is_copy = COPY.search(f'{self.source.place}.{self.prefix}')
        half = 2 * len(self.pairs) >= len(self.names)
        return half and not is_copy, len(self.pairs), self.same_shape

    def described(self) -> str:
        """What was done to find the tensors, for people; '' if nothing."""
        done = []
        if self.source.place not in ('', 'state_dict'):
            done.append(f"in '{self.source.place}'")

        if self.prefix and self.inserted and self.prefix != self.inserted:
            done.append(f"'{self.prefix}' read as '{self.inserted}'")
        elif self.prefix != self.inserted:
            done.append(
                f"without '{self.prefix}'" if self.prefix else f"with '{self.inserted}' put before"
            )

        if any(name != mine for name, mine in self.names.items()):
            done.append("names of torchvision's DenseNet")
        return ', '.join(done)


@dataclass(frozen=True)
class Arranged:
    """The tensors of a file under the names of a model.

    Attributes:
        state: Those of the model, and those that would be parts of it but that it does not have.
        metadata: As in :class:`StateDict`, under the model's names.
        unused: Names in the file of what is not part of the model.
        where: See :meth:`Match.described`.
    """

    state: dict[str, Tensor]
    metadata: dict[str, dict]
    unused: list[str]
    where: str


def long_prefixes(names: Collection[str], least: float) -> list[str]:
    """'' and the prefixes, up to a dot, of at least ``least`` of the names, shortest first."""
    ends = [(name, i + 1) for name in names for i, letter in enumerate(name) if letter == '.']
    counts = Counter(name[:end] for name, end in ends)
    return ['', *sorted((prefix for prefix in counts if counts[prefix] >= least), key=len)]


def name_tables(own: Collection[str]) -> list[dict[str, str]]:
    """For each project that may have made a file: the names of the model's tensors there."""
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
            wanted = below(names, inserted)
            for prefix in long_prefixes(state.tensors, min(len(wanted), len(state.tensors)) / 2):
                pairs = {
                    prefix + name: mine
                    for name, mine in wanted.items()
                    if prefix + name in state.tensors
                }
                same = sum(state.tensors[name].shape == own[mine] for name, mine in pairs.items())
                yield Match(state, prefix, inserted, names, pairs, same)


def best_match(states: list[StateDict], own: Shapes, source: str) -> Match:
    """The way to read a file by which most tensors fit.

    Raises:
        ValueError: If several are as good, with different tensors.
    """
    found = [match for state in states for match in matches(state, own)]
    best = max(found, key=Match.rank)  # the first, which has the shortest prefix

    for other in found:
        differs = other.pairs != best.pairs or other.source is not best.source
        if best.pairs and other.rank() == best.rank() and differs:
            ways = [f"'{match.source.place}: {match.prefix}'" for match in (best, other)]
            raise ValueError(
                f'{source} fits in two ways, as {" and as ".join(ways)}; save the one '
                'that is meant alone, or name it by init_cfg=dict(prefix=...)'
            )
    return best


def named_classifier(
    rest: Collection[str], classifier: Collection[str], prefix: str
) -> dict[str, str]:
    """For names in a file of a linear classifier, under one of ``CLASSIFIERS``, the model's."""
    for begin in CLASSIFIERS:
        pairs = {prefix + begin + name.rpartition('.')[2]: name for name in classifier}
        if any(name in rest for name in pairs):
            return {name: mine for name, mine in pairs.items() if name in rest}
    return {}


def arrange(
    content: object,
    own: Shapes,
    classifier: Collection[str],
    source: str,
    whole: bool,
    prefix: str | None = None,
) -> Arranged:
    """Find the tensors of a model in a file.

    Args:
        content: What ``torch.load`` returned.
        own: Shapes of the model's tensors, by name.
        classifier: Names of those of the linear layer that gives class scores; empty if none.
        source: Name of the file, for errors.
        whole: Whether all of the file must be the model's; else other parts are only told.
        prefix: What names in the file begin with, or the place of its part. Default: that by which
            most tensors fit.

    Raises:
        ValueError: If the file has no tensors, none with the prefix, or fits in two ways.
    """
    states = [without_wrappers(state, own) for state in candidates(content, source)]
    if prefix:
        states = parts_named(states, prefix, source)
    match = best_match(states, own, source)
    tensors, begin = match.source.tensors, match.prefix

    # The classifier has a name of its own in most projects.
    pairs = dict(match.pairs)
    rest = {name for name in tensors if name.startswith(begin) and name not in pairs}
    if not any(name in pairs.values() for name in classifier):
        pairs |= named_classifier(rest, classifier, begin)

    # What lies among the model's parts counts as one of them: another depth of its network is seen.
    others = [name for name in tensors if name in rest - pairs.keys()]
    surplus = surplus_of(match, others, whole)

    state = {mine: tensors[name] for name, mine in pairs.items()}
    state |= {mine: tensors[name] for name, mine in surplus.items() if mine not in state}
    known = (*pairs, *surplus, *COUNTERS)
    unused = [name for name in tensors if name not in known]
    return Arranged(state, metadata_of(match), unused, match.described())


def parts_named(states: list[StateDict], prefix: str, source: str) -> list[StateDict]:
    """The parts of state dicts whose names, or whose place, begin with ``prefix``.

    Raises:
        ValueError: If there are none.
    """
    parts = [part_of(state, prefix) for state in states]
    found = [part for part in parts if part is not None]
    if not found:
        names = ', '.join(list(states[0].tensors)[:3])
        raise ValueError(f'no name in {source} begins with {prefix!r}; its first names are {names}')
    return found


def surplus_of(match: Match, names: list[str], whole: bool) -> dict[str, str]:
    """For names in a file that the model does not have but that count as its parts, its own.

    Args:
        match: How the file is read.
        names: Those that begin with the prefix and were not found in the model.
        whole: Whether all of them count; else only those below a part that the model has.
    """
    roots = {name.split('.')[0] for name in below(match.names, match.inserted)}
    if not whole and not match.inserted and 'backbone' in roots:
        roots = {'backbone'}

    inside = {name: name.removeprefix(match.prefix) for name in names}
    return {
        name: match.inserted + short
        for name, short in inside.items()
        if short not in COUNTERS and (whole or short.split('.')[0] in roots)
    }


def metadata_of(match: Match) -> dict[str, dict]:
    """What PyTorch keeps for each module, under the model's names."""
    found = {}
    for name, value in match.source.metadata.items():
        if f'{name}.'.startswith(match.prefix):
            inside = f'{name}.'.removeprefix(match.prefix)
            found[(match.inserted + inside).rstrip('.')] = value
    return found
