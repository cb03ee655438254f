# A trained DigitScenes model, and 3,840 unlabelled scenes of another style: faint digits.

_base_ = 'digits.py'

# The settings of SHOT for digits: batches of 64, SGD with these numbers, MEL and NBEL alike.
steps = 60  # one pass through the scenes
batch_size, labeled_ratio = 64, 0.0
learning_rate = 0.01
style = dict(contrast=(45, 80))  # 110 to 200 in the scenes of the source

# As SHOT, keep the classifier; the source's features meet it again.
model = dict(frozen=['head'])
adapt_mel = dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=1.0)
adapt_nbel = dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0)

# Weak views alone: BatchNorm's statistics should be those of images as they will come.
weak_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=3, padding_mode='reflect'),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(
        labeled=None,
        unlabeled=dict(
            _delete_=True,
            type='mmsemiloc.DigitScenes',
            num_images=3840,
            pipeline=weak_pipeline,
            **style,
        ),
    ),
    sampler=dict(batch_size=batch_size, labeled_ratio=labeled_ratio, epoch_length=steps),
)
val_dataloader = test_dataloader = dict(dataset=style)

optim_wrapper = dict(optimizer=dict(lr=learning_rate, weight_decay=1e-3))
param_scheduler = dict(
    _delete_=True, type='LinearLR', by_epoch=False, start_factor=1.0, end_factor=0.0, end=steps
)
train_cfg = dict(max_iters=steps, val_interval=steps)
default_hooks = dict(
    checkpoint=dict(interval=steps // 5), logger=dict(interval=20), health=dict(interval=20)
)
log_processor = dict(window_size=20)
