"""What is said while ``fit`` works."""

from collections.abc import Callable

Say = Callable[[str], None]
Done = Callable[[str, int, int], None]


class Progress:
    """What is said about the work, and how far it is.

    Args:
        say: Called with each line.
        done: Called with a stage, how much of it is done, and how much there is.

    Attributes:
        lines: What has been said.
    """

    def __init__(self, say: Say, done: Done) -> None:
        self.say, self.done = say, done
        self.lines: list[str] = []
        self.steps: dict[str, int] = {}

    def tell(self, line: str) -> None:
        """Say a line and keep it for the report."""
        self.lines.append(line)
        self.say(line)

    def advance(self, stage: str, total: int, number: int = 1) -> None:
        """Go on by ``number`` of ``total``."""
        self.steps[stage] = self.steps.get(stage, 0) + number
        self.done(stage, self.steps[stage], total)


def duration(seconds: float) -> str:
    """A time in words.

    Example:
        >>> duration(95), duration(20)
        ('2 minutes', '20 seconds')
    """
    if seconds < 60:
        return f'{max(1, round(seconds))} seconds'
    minutes = round(seconds / 60)
    return f'{minutes} minutes' if minutes > 1 else '1 minute'
