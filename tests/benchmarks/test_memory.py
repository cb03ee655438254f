import torch

from benchmarks.memory import TensorMemory


def test_tensor_memory_counts_each_storage_while_it_lives():
    weight, batch = torch.zeros(256), torch.zeros(1000)  # 1,024 and 4,000 bytes
    with TensorMemory(counted=[weight], ignored=[batch]) as memory:
        assert memory.now == 1024
        part = batch[:10]
        weight.add_(1)
        assert memory.now == 1024  # a view, and an operation in place
        first = torch.ones(512)
        second = first * 2
        assert memory.now == 1024 + 2 * 2048
        del first, second, part
        assert memory.now == 1024
    assert memory.peak == 1024 + 2 * 2048


def test_tensor_memory_sees_what_autograd_keeps():
    x = torch.ones(1024, requires_grad=True)
    with TensorMemory(counted=[x]) as memory:
        loss = x.exp().exp().sum()
        assert memory.now == 3 * 4096 + 4
        loss.backward()
        assert memory.now == 2 * 4096 + 4  # x, its gradient and the loss
