"""What is kept of the draws, so that a comparison grows and goes on after a kill."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmsemiloc.files import write_whole
from mmsemiloc.study.few_labels.draw import Outcome


def fingerprint(*parts: object) -> str:
    """Text that changes if a part does."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class DrawFile:
    """The outcomes of one draw in a file.

    Attributes:
        path: The file; it need not be there yet.
    """

    path: Path

    def read(self) -> dict[str, tuple[str, Outcome]]:
        """Fingerprint and outcome of each method that is there."""
        if not self.path.is_file():
            return {}
        with np.load(self.path) as content:
            known = json.loads(str(content['known']))
            predictions = content['predictions']
        return {
            name: (mark, Outcome(setting, share, predictions[place]))
            for place, (name, mark, setting, share) in enumerate(known)
        }

    def outcomes(self) -> dict[str, Outcome]:
        """The outcome of each method."""
        return {name: outcome for name, (_, outcome) in self.read().items()}

    def write(self, found: Mapping[str, tuple[str, Outcome]]) -> None:
        """Write all outcomes as a whole file."""
        known = [
            (name, mark, outcome.setting, outcome.held_out)
            for name, (mark, outcome) in found.items()
        ]
        predictions = np.stack([outcome.predictions for _, outcome in found.values()])
        content = io.BytesIO()
        np.savez_compressed(content, known=json.dumps(known), predictions=predictions.astype('u1'))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, content.getvalue())
