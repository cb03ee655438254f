"""The state of random numbers: with it, a second forward pass sees the same ones as the first."""

import random

import numpy as np
import torch


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
