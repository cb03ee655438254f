# Hooks, logging and environment that all our configs share.
default_scope = 'mmsemiloc'  # MMPretrain's types, and ours before them
runner_type = 'mmsemiloc.SemiSupRunner'
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=100),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='mmsemiloc.WholeCheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # The terms of the loss follow their schedules.
    loss_schedule=dict(type='mmsemiloc.LossScheduleHook'),
    setup=dict(type='mmsemiloc.SemiSupSetupHook'),  # what must agree before the first step
    finite=dict(type='mmsemiloc.FiniteHook'),  # no number that is not finite is trained on or saved
    restart=dict(type='mmsemiloc.RestartHook'),  # stops on signals, and goes on as if it had not
    first_steps=dict(type='mmsemiloc.FirstStepsHook'),
    health=dict(type='mmsemiloc.HealthHook', interval=100),
)
custom_hooks = []
model_wrapper_cfg = dict(type='mmsemiloc.SemiSupDistributedDataParallel')
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0, deterministic=False)
