"""The share of each class that is expected among the images."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.model import BaseModule
from torch import Tensor


def read_prior(file: str) -> list[float]:
    """Numbers of a text file, one per line or separated by spaces.

    Raises:
        ValueError: If there is no such file, or with the number of the line if one is not a number.
    """
    try:
        lines = Path(file).read_text(encoding='utf-8').splitlines()
    except OSError as error:
        raise ValueError(
            f"prior must be None, C numbers, 'labeled' or a file of numbers, got {file!r}: {error}"
        ) from error

    numbers = []
    for number, line in enumerate(lines, 1):
        try:
            numbers += [float(word) for word in line.split()]
        except ValueError as error:
            raise ValueError(f'{file}, line {number}: {error}') from error
    return numbers


class ClassPrior(BaseModule):
    """A module that knows the expected share of each class.

    Args:
        prior: None for uniform, C positive numbers (shares or counts), the path of a text file of
            them, or 'labeled' for the class counts of the labelled set, which ``SemiSupSetupHook``
            fills in.

    Raises:
        ValueError: If the prior is none of these or a class has no share.
    """

    def __init__(self, prior: Sequence[float] | str | None = None) -> None:
        super().__init__()
        self.prior: Sequence[float] | str | None = None
        self.log_prior: Tensor | None
        # Not persistent: a checkpoint must load strictly into the stock classifier.
        self.register_buffer('log_prior', None, persistent=False)
        self.take_prior(prior)

    def take_prior(self, prior: Sequence[float] | str | None) -> None:
        """Take a prior in any of the forms that a config may have.

        Raises:
            ValueError: If it is none of these or a class has no share.
        """
        if isinstance(prior, str) and prior != 'labeled':
            prior = read_prior(prior)
        self.prior = prior
        if prior is not None and not isinstance(prior, str):
            self.set_prior(prior)

    def set_prior(self, shares: Sequence[float]) -> None:
        """Take C positive shares or counts, in any unit, as the prior.

        Raises:
            ValueError: If a share is not a positive number.
        """
        values = torch.as_tensor(shares, dtype=torch.float64)
        bad = (~((values > 0) & values.isfinite())).nonzero().flatten().tolist()
        if values.dim() != 1 or bad:
            raise ValueError(
                f'prior must be C positive numbers; classes {bad[:10]} have '
                f'{[shares[i] for i in bad[:10]]}'
            )

        device = self.log_prior.device if self.log_prior is not None else None
        self.log_prior = (values / values.sum()).log().to(device)

    def checked_log_prior(self, num_classes: int) -> Tensor | None:
        """log d (C,); None for uniform.

        Raises:
            ValueError: If the prior does not have C classes, or is 'labeled' and nobody has set it.
        """
        if self.prior is not None and self.log_prior is None:
            raise ValueError(
                f"{type(self).__name__}(prior='labeled') has no class counts yet: add "
                "default_hooks.setup=dict(type='mmsemiloc.SemiSupSetupHook'), or call "
                'set_prior(counts)'
            )

        if self.log_prior is not None and len(self.log_prior) != num_classes:
            raise ValueError(
                f'prior has {len(self.log_prior)} classes, cls_score has {num_classes}'
            )
        return self.log_prior
