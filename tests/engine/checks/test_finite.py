import math

import pytest
import torch
from mmengine.logging import MessageHub

from mmsemiloc.engine import (
    AccumOptimWrapper,
    AmpAccumOptimWrapper,
    NotFiniteError,
    first_not_finite,
)
from mmsemiloc.engine.checks.finite import check_clipping, check_optimizer, total_norm
from mmsemiloc.engine.optimizers import accum_optim_wrapper, amp_accum_optim_wrapper
from tests.conftest import make_batch, make_model, with_views

WEIGHTS = dict(mel=0.8, nbel=0.5, locality=0.1)
LABELS = [0, None, 1, None, 2, None]


@pytest.mark.parametrize(
    'state, name',
    [
        (dict(a=torch.zeros(2), b=[torch.ones(1), dict(c=torch.tensor([0, math.nan]))]), 'b.1.c'),
        (dict(a=torch.tensor(math.inf)), 'a'),
        (dict(a=torch.tensor(-math.inf)), 'a'),
        (
            {'state': {0: {'momentum_buffer': torch.tensor([math.nan], dtype=torch.bfloat16)}}},
            'state.0.momentum_buffer',
        ),
        (dict(a=torch.zeros(2), b=torch.arange(3), c=None, d='nan', e=math.nan), None),
        (dict(mask=torch.tensor([[0, -math.inf], [0, 0]])), None),  # as attention adds it
        (dict(mask=torch.tensor([[1, -math.inf], [0, 0]])), 'mask'),
        ({}, None),
    ],
)
def test_first_not_finite(state, name):
    assert first_not_finite(state) == name


def train(model, batch, optimizer=None, wrapper=AccumOptimWrapper, **kwargs):
    """One step."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return model.train_step(batch, wrapper(optimizer=optimizer, **kwargs))


def batch_with_files(labels=LABELS):
    batch = make_batch(labels)
    for i, sample in enumerate(batch['data_samples']):
        sample.set_metainfo(dict(img_path=f'folder/{i}.png'))
    return batch


def spoilt(batch, place, value=math.nan):
    """Image ``place`` as floating-point numbers with one bad pixel."""
    batch['inputs'] = [image.float() for image in batch['inputs']]
    batch['inputs'][place][0, 0, 0] = value
    return batch


@pytest.mark.parametrize('size', [None, 2])
@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_an_image_is_named_and_nothing_is_updated(size, value):
    model, before = make_model(**WEIGHTS), make_model(**WEIGHTS).state_dict()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with pytest.raises(
        NotFiniteError, match=r'folder/3\.png: its pixels are not finite .*so the step was skipped'
    ) as error:
        train(model, spoilt(batch_with_files(), 3, value), optimizer, micro_batch_size=size)
    assert '\n' not in str(error.value) and '(learning rate 0.1)' in str(error.value)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert not optimizer.state and all(p.grad is None for p in model.parameters())


def test_without_the_check_weights_are_spoilt(monkeypatch):
    """Negative control."""
    monkeypatch.setattr(accum_optim_wrapper, 'refuse_bad_step', lambda *args: None)
    model = make_model(**WEIGHTS)
    train(model, spoilt(batch_with_files(), 3))
    assert first_not_finite(model.state_dict()) is not None


def test_a_further_view_and_a_soft_label_are_named():
    batch = with_views(batch_with_files(), [1, 2, 1, 1, 1, 1])
    batch['inputs'] = [image.float() for image in batch['inputs']]
    views = batch['data_samples'][1].views.float()
    views[0, 0, 0, 0] = math.nan
    batch['data_samples'][1].set_field(views, 'views')
    with pytest.raises(NotFiniteError, match=r'folder/1\.png: its pixels'):
        train(make_model(**WEIGHTS), batch)
    batch = batch_with_files([None, None, 0, None])
    sample = batch['data_samples'][2]
    del sample.gt_label
    sample.set_gt_score(torch.tensor([1.0, 0, math.nan, 0, 0]))
    model = make_model(head=dict(loss=dict(type='mmpretrain.CrossEntropyLoss', use_soft=True)))
    with pytest.raises(NotFiniteError, match=r'folder/2\.png: its soft label'):
        train(model, batch)


def spoil_term(model, name, only=None):
    """Let a term return NaN; with ``only``, for the micro-batch whose first image has this path."""
    term = model.head.terms[name]
    compute = term.compute

    def bad(predictions):
        factor = math.nan if only is None or only in seen else 1
        return {key: value * factor for key, value in compute(predictions).items()}

    seen = []

    def look(module, args, kwargs):
        seen[:] = [sample.get('img_path') for sample in kwargs['data_samples']]

    model.register_forward_pre_hook(look, with_kwargs=True)
    term.compute = bad


@pytest.mark.parametrize(
    'size, shown',
    [(None, r'folder/0\.png, .*folder/3\.png and 2 more'), (2, r'folder/2\.png, folder/3\.png')],
)
def test_the_first_bad_term_is_named_with_the_images_of_its_micro_batch(size, shown):
    model = make_model(**WEIGHTS)
    spoil_term(model, 'mel', only='folder/2.png')
    MessageHub.get_current_instance().update_info('iter', 41)
    with pytest.raises(
        NotFiniteError,
        match=f'^loss_mel is nan at iteration 42 .*; images: {shown}\\. To go on, lower',
    ):
        train(model, batch_with_files(), micro_batch_size=size)


def test_a_term_that_is_logged_only_may_be_nan():
    log = train(make_model(**WEIGHTS), batch_with_files([None, None]))
    assert log['acc_labeled'].isnan() and log['loss'].isfinite()


@pytest.mark.parametrize(
    'clip_grad', [None, dict(max_norm=1.0), dict(type='value', clip_value=1.0)]
)
def test_a_gradient_is_named_by_its_parameter(clip_grad):
    model = make_model(**WEIGHTS)
    model.head.fc.bias.register_hook(lambda grad: grad * math.nan)
    with pytest.raises(NotFiniteError, match=r'^the gradient of head\.fc\.bias is not finite'):
        train(model, batch_with_files(), clip_grad=clip_grad)


def test_weights_that_the_step_before_spoilt_are_named():
    model = make_model(**WEIGHTS)
    model.head.fc.weight.data[0, 0] = math.inf
    with pytest.raises(
        NotFiniteError, match=r'\(head\.fc\.weight is not finite since the step before\)'
    ):
        train(model, batch_with_files())


@pytest.mark.parametrize('rate', [math.nan, math.inf, -0.1])
def test_a_learning_rate_that_a_schedule_spoils(rate):
    model = make_model(**WEIGHTS)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = AccumOptimWrapper(optimizer=optimizer)
    model.train_step(make_batch(LABELS), wrapper)
    optimizer.param_groups[0]['lr'] = rate
    before = model.head.fc.weight.clone()
    with pytest.raises(NotFiniteError, match=f'the learning rate is {rate:g} .*param_scheduler'):
        model.train_step(make_batch(LABELS), wrapper)
    assert torch.equal(model.head.fc.weight, before)


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(lr=math.nan),
        dict(lr=math.inf),
        dict(momentum=math.nan),
        dict(momentum=1.5),
        dict(weight_decay=math.inf),
        dict(dampening=math.nan),
    ],
)
def test_numbers_of_the_optimizer_that_can_never_be_meant(kwargs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], **{'lr': 0.1, **kwargs})
    ((key, value),) = kwargs.items()
    with pytest.raises(
        ValueError, match=f'optim_wrapper.optimizer.{key} must be a finite number.*got {value}'
    ):
        AccumOptimWrapper(optimizer=optimizer)
    check_optimizer(torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))]))  # negative control


@pytest.mark.parametrize(
    'clip_grad',
    [
        dict(max_norm=math.nan),
        dict(max_norm=-1),
        dict(max_norm=0),
        dict(clip_value=0),
        dict(max_norm=1, norm_type=0),
    ],
)
def test_bounds_of_gradients_that_can_never_be_meant(clip_grad):
    with pytest.raises(ValueError, match='optim_wrapper.clip_grad.*must be above 0'):
        check_clipping(clip_grad)


@pytest.mark.parametrize(
    'clip_grad', [None, dict(max_norm=math.inf), dict(max_norm=1, norm_type='inf')]
)
def test_bounds_that_are_meant(clip_grad):
    check_clipping(clip_grad)


@pytest.mark.parametrize(
    'clip_grad',
    [
        dict(max_norm=0.1),
        dict(max_norm=0.1, norm_type=1),
        dict(max_norm=0.1, norm_type='inf'),
        dict(type='value', clip_value=0.01),
    ],
)
def test_clipping_is_that_of_the_stock_wrapper_bit_by_bit(clip_grad, monkeypatch):
    results = []
    for check in (True, False):
        with monkeypatch.context() as patch:
            if not check:
                patch.setattr(accum_optim_wrapper, 'refuse_bad_step', lambda *args: None)
            model = make_model(**WEIGHTS)
            train(model, make_batch(LABELS), clip_grad=dict(clip_grad))
            results.append(
                (
                    model.state_dict(),
                    MessageHub.get_current_instance().log_scalars.get('train/grad_norm'),
                )
            )
    assert all(torch.equal(value, results[1][0][name]) for name, value in results[0][0].items())
    if 'max_norm' in clip_grad:
        data = results[0][1].data[0]
        assert data[-1] == data[-2]


def test_total_norm():
    assert total_norm([]) is None
    assert total_norm([torch.tensor([3.0]), torch.tensor([[4.0]])]).item() == 5


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_bad_terms_stop_mixed_precision_too(dtype):
    with pytest.raises(NotFiniteError, match=r'folder/3\.png'):
        train(
            make_model(**WEIGHTS),
            spoilt(batch_with_files(), 3),
            wrapper=AmpAccumOptimWrapper,
            dtype=dtype,
        )


def test_a_scale_that_falls_for_ever_ends_the_run(monkeypatch):
    """Gradients that overflow are no fault by themselves; all of them, at any scale, are."""
    model = make_model(**WEIGHTS)
    model.head.fc.bias.register_hook(lambda grad: grad * math.inf)
    wrapper = AmpAccumOptimWrapper(
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1), dtype='float16', init_scale=4.0
    )
    monkeypatch.setattr(amp_accum_optim_wrapper, 'MAX_SKIPPED', 5)
    for _ in range(4):
        model.train_step(batch_with_files(), wrapper)
    with pytest.raises(
        NotFiniteError,
        match=r'^float16: gradients overflowed in each of the last 5 steps, .* scale of 0\.125',
    ):
        model.train_step(batch_with_files(), wrapper)
    assert first_not_finite(model.state_dict()) is None


def test_the_device_is_waited_for_once(monkeypatch):
    """All terms of all micro-batches and the norm are read together."""
    reads = {'tolist': [], 'item': []}

    def count(name, original):
        def read(self):
            reads[name].append(self.shape)
            return original(self)

        monkeypatch.setattr(torch.Tensor, name, read)

    count('tolist', torch.Tensor.tolist)
    count('item', torch.Tensor.item)
    train(
        make_model(**WEIGHTS), make_batch(LABELS), micro_batch_size=2, clip_grad=dict(max_norm=1.0)
    )
    assert reads['tolist'].count(torch.Size([2])) == 1 and not reads['item']
