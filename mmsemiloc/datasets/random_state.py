"""The state of random numbers, which makes a second forward pass of the same images equal to the
first.
"""

import random

import numpy as np
import torch


class RandomState:
    """The state of all random number generators (Python, NumPy, torch on the CPU and on ``device``)
    when it was made.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.python, self.numpy, self.cpu = (
            random.getstate(),
            np.random.get_state(),
            torch.get_rng_state(),
        )
        self.accelerator = (
            None if device.type == 'cpu' else torch.get_device_module(device).get_rng_state(device)
        )

    def restore(self) -> None:
        """Set the generators back to it."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        if self.accelerator is not None:
            torch.get_device_module(self.device).set_rng_state(self.accelerator, self.device)
