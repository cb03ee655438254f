"""Random numbers as functions of a position in the run, and their state for a second forward pass.

A run that goes on from a checkpoint sees the random numbers of one that was never stopped, because
they are seeded anew for each image and each step; no state of them is saved.
"""

import random

import numpy as np
import torch

IMAGES, STEPS = 0, 1  # first part of the key of what is seeded


def seed_everything(*key: int, device: torch.device | None = None) -> None:
    """Seed the random number generators of Python, NumPy and torch by a key.

    ``torch.manual_seed`` would take longer than the loading of a small image, because it prepares a
    seed for accelerators that are not there yet.

    Args:
        *key: Numbers of at least 0. Any two keys give independent random numbers.
        device: Its generator is seeded beside that of the CPU.
    """
    words = np.random.SeedSequence(key).generate_state(2)
    seed = int(words[0]) << 32 | int(words[1])

    random.seed(seed)
    np.random.seed(words)
    torch.default_generator.manual_seed(seed)
    if device is not None and device.type != 'cpu':
        torch.get_device_module(device).manual_seed(seed)


class RandomState:
    """The state of all random number generators at the time when the object is made.

    Args:
        device: Its generator counts beside those of Python, NumPy and torch on the CPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.python = random.getstate()
        self.numpy = np.random.get_state()
        self.cpu = torch.get_rng_state()

        self.accelerator = None
        if device.type != 'cpu':
            self.accelerator = torch.get_device_module(device).get_rng_state(device)

    def restore(self) -> None:
        """Set the generators back to it."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        if self.accelerator is not None:
            torch.get_device_module(self.device).set_rng_state(self.accelerator, self.device)
