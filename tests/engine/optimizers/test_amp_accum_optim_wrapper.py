import pytest
import torch
from mmengine.logging import MessageHub

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


@pytest.mark.parametrize('size, passes', [(None, 1), (2, 3), (1, 7)])
def test_float16_moves_like_float32(size, passes):
    exact, *_ = trained(AccumOptimWrapper, micro_batch_size=size)
    model, wrapper, log, dtypes = trained(
        AmpAccumOptimWrapper, dtype='float16', init_scale=64, micro_batch_size=size
    )
    assert dtypes == [torch.float16] * passes and log['loss'].dtype == torch.float32
    start = make_model(**WEIGHTS).head.fc.weight
    steps = [m.head.fc.weight.cpu() - start for m in (model, exact)]
    assert torch.cosine_similarity(*(s.flatten() for s in steps), dim=0) > 0.99
    assert wrapper.skipped_steps == 0
    assert wrapper.loss_scaler.state_dict()['_growth_tracker'] == 1  # the scaler moves once a step


def test_overflow_skips_the_step_and_is_counted_in_log_and_state():
    model, wrapper, _, _ = trained(AmpAccumOptimWrapper, dtype='float16', init_scale=1e38)
    for a, b in zip(model.parameters(), make_model(**WEIGHTS).parameters(), strict=True):
        assert torch.equal(a.cpu(), b)
    assert wrapper.loss_scaler.get_scale() < 1e38
    assert (
        wrapper.message_hub.get_scalar('train/skipped_steps').current()
        == wrapper.skipped_steps
        == 1
    )
    _, other, _, _ = trained(AmpAccumOptimWrapper, dtype='float16', init_scale=64)
    other.load_state_dict(wrapper.state_dict())
    assert (
        other.skipped_steps == 1
        and other.loss_scaler.get_scale() == wrapper.loss_scaler.get_scale()
    )


@pytest.mark.parametrize('size', [1, 3])
def test_clipping_sees_unscaled_gradients_of_the_whole_batch(size):
    norms = []
    for wrapper, kwargs in (
        (AccumOptimWrapper, {}),
        (AmpAccumOptimWrapper, dict(dtype='float16', init_scale=64)),
    ):
        (*_,) = trained(wrapper, micro_batch_size=size, clip_grad=dict(max_norm=0.5), **kwargs)
        norms.append(MessageHub.get_current_instance().get_scalar('train/grad_norm').current())
    assert norms[1] == pytest.approx(norms[0], rel=0.05)
