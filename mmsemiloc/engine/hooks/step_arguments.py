"""How a hook declares which of its arguments count steps."""

from collections.abc import Mapping

# Each argument that counts steps, with the default that must be scaled when a config leaves it
# out; None where leaving it out means that there is nothing to scale. A hook declares it as the
# class attribute ``step_arguments``, empty if none of its arguments counts steps.
StepArguments = Mapping[str, int | None]
