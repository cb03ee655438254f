import pytest
import torch
from mmengine.device import get_device

from mmsemiloc.engine import AccumOptimWrapper, AmpAccumOptimWrapper
from tests.conftest import make_batch, make_model

WEIGHTS = dict(mel=0.8, nbel=0.5, locality=0.1)


def trained(wrapper, **kwargs):
    model = make_model(**WEIGHTS)
    wrapper = wrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.01), **kwargs)
    dtypes = []
    model.backbone.register_forward_hook(lambda module, args, out: dtypes.append(out[-1].dtype))
    log = model.train_step(make_batch([0, None, 1, None]), wrapper)
    return model, wrapper, log, dtypes


def test_bfloat16_on_the_cpu_computes_losses_in_float32():
    exact, _, expected, _ = trained(AccumOptimWrapper)
    model, _, log, dtypes = trained(AmpAccumOptimWrapper, dtype='bfloat16')
    assert dtypes == [torch.bfloat16]
    assert log['loss'].dtype == torch.float32
    assert log['loss'].item() == pytest.approx(expected['loss'].item(), rel=0.05)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    start = make_model(**WEIGHTS).head.fc.weight
    steps = [m.head.fc.weight - start for m in (model, exact)]
    assert torch.cosine_similarity(*(s.flatten() for s in steps), dim=0) > 0.95


def test_state_is_saved_and_loaded_also_from_the_plain_wrapper():
    _, amp, _, _ = trained(AmpAccumOptimWrapper, dtype='bfloat16')
    _, plain, _, _ = trained(AccumOptimWrapper)
    amp.load_state_dict(amp.state_dict())
    amp.load_state_dict(plain.state_dict())
    assert 'param_groups' in amp.state_dict() and 'loss_scaler' in amp.state_dict()


@pytest.mark.parametrize('dtype', ['float32', 'half'])
def test_bad_types(dtype):
    with pytest.raises(ValueError, match=dtype):
        trained(AmpAccumOptimWrapper, dtype=dtype)


@pytest.mark.skipif(get_device() != 'cpu', reason='float16 runs on accelerators')
def test_float16_on_the_cpu_is_refused():
    with pytest.raises(ValueError, match="'float16' on cpu"):
        trained(AmpAccumOptimWrapper, dtype='float16')


@pytest.mark.skipif(get_device() == 'cpu', reason='needs an accelerator')
def test_overflow_skips_the_step():
    model, wrapper, _, _ = trained(AmpAccumOptimWrapper, dtype='float16', init_scale=1e38)
    for a, b in zip(model.parameters(), make_model(**WEIGHTS).parameters(), strict=True):
        assert torch.equal(a.cpu(), b)
    assert wrapper.loss_scaler.get_scale() < 1e38
