"""Small numerical helpers that the losses share."""
import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32 if it is in half precision, else unchanged: losses are never computed in half precision."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
