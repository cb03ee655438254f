"""With micro-batches, everything around the model counts optimizer steps: runs equal those with the
whole batch at once.
"""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from tests.configs.test_configs import force_terms, tiny_digits

STEPS = 6
SCHEDULERS = {
    'MultiStepLR': [dict(type='MultiStepLR', by_epoch=False, milestones=[2, 4], gamma=0.1)],
    'warm-up and cosine': [
        dict(type='LinearLR', by_epoch=False, start_factor=0.1, begin=0, end=2),
        dict(type='CosineAnnealingLR', by_epoch=False, T_max=STEPS - 2, begin=2, end=STEPS),
    ],
}


class RecordRates(Hook):
    """Remembers the learning rates of each step."""

    def __init__(self):
        self.rates = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append(
            sorted({round(group['lr'], 9) for group in runner.optim_wrapper.param_groups})
        )


def train(tmp_path, scheduler, size, **options):
    """Weights, averaged weights, number of averagings and learning rates of a short run without
    BatchNorm.
    """
    name = f'{scheduler}-{size}-{len(options)}'
    cfg = force_terms(
        tiny_digits('digits_full', tmp_path / name, steps=STEPS, experiment_name=name, **options)
    )
    cfg.train_dataloader.batch_size = cfg.train_dataloader.sampler.batch_size = 12
    cfg.model.backbone.norm_cfg = dict(type='GN', num_groups=1)
    cfg.model.head.init_cfg = dict(
        type='Normal', layer='Linear', std=0.5
    )  # predictions that differ from the first step on
    cfg.param_scheduler = SCHEDULERS[scheduler]
    cfg.optim_wrapper.update(
        micro_batch_size=size,
        clip_grad=dict(max_norm=0.5),
        paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=0.1)}),
    )
    cfg.train_dataloader.sampler.micro_batch_size = 4  # the same images
    cfg.custom_hooks.append(dict(type='EMAHook', momentum=0.2))
    runner = Runner.from_cfg(cfg)
    record = RecordRates()
    runner.register_hook(record)
    runner.train()
    checkpoint = torch.load(
        tmp_path / name / 'digits_full' / f'iter_{STEPS}.pth', weights_only=False
    )
    averaged = checkpoint['ema_state_dict']
    return checkpoint['state_dict'], averaged, int(averaged.pop('steps')), record.rates


def distance(a, b):
    """Largest difference of two state dicts."""
    return max((a[key] - b[key]).abs().max().item() for key in a if a[key].is_floating_point())


@pytest.mark.slow
@pytest.mark.parametrize('scheduler', SCHEDULERS)
def test_a_run_in_micro_batches_equals_one_with_the_whole_batch(scheduler, tmp_path):
    whole, micro = (train(tmp_path, scheduler, size) for size in (None, 4))
    # Rounding errors of float32, which differ with the number of threads; see the negative control.
    assert distance(whole[0], micro[0]) < 1e-5 and distance(whole[1], micro[1]) < 1e-5
    assert whole[2] == micro[2] == STEPS
    assert whole[3] == micro[3] and len(micro[3]) == STEPS
    assert all(len(rates) == 2 and rates[0] == pytest.approx(rates[1] / 10) for rates in micro[3])
    assert (
        len({rates[1] for rates in micro[3]})
        == {'MultiStepLR': 3, 'warm-up and cosine': 5}[scheduler]
    )


@pytest.mark.slow
def test_nbel_of_small_groups_is_another_run(tmp_path):
    """Negative control for the distances above."""
    whole = train(tmp_path, 'MultiStepLR', 4)
    groups = train(tmp_path, 'MultiStepLR', 4, **{'optim_wrapper.nbel_batch_size': 4})
    assert distance(whole[0], groups[0]) > 1e-4 and distance(whole[1], groups[1]) > 1e-4


@pytest.mark.slow
def test_the_running_mean_is_resumed_and_the_checkpoint_stays_that_of_the_stock_classifier(
    tmp_path,
):
    def runner(**options):
        cfg = force_terms(
            tiny_digits(
                'digits_ce_mel_nbel', tmp_path, experiment_name=f'ema{len(options)}', **options
            )
        )
        cfg.model.head.loss_nbel.update(estimator='ema', momentum=0.3)
        return Runner.from_cfg(cfg)

    first = runner()
    first.train()
    path = tmp_path / 'digits_ce_mel_nbel' / 'iter_4.pth'
    second = runner(resume=True, load_from=str(path))
    assert second.model.head.terms['nbel'].running_mean.log_past is None
    second.load_or_resume()
    pasts = [run.model.head.terms['nbel'].running_mean.log_past for run in (first, second)]
    torch.testing.assert_close(pasts[0].double(), pasts[1], rtol=0, atol=0)
    assert not [key for key in torch.load(path, weights_only=False)['state_dict'] if 'terms' in key]
