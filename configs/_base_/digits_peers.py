# What self-supervised peers on DigitScenes share: the images, their views, and the steps.

_base_ = ['digits.py', 'digits_peer_views.py']

peer_preprocessor = dict(type='SelfSupDataPreprocessor', mean=[128, 128, 128], std=[64, 64, 64])

batch_size = 32
train_dataloader = dict(
    _delete_=True,
    batch_size=batch_size,
    num_workers=0,
    dataset=dict(
        type='mmsemiloc.DigitScenes', first=150, num_images=3850, pipeline={{_base_.peer_pipeline}}
    ),
    sampler=dict(type='InfiniteSampler', shuffle=True),
)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4),
)
val_dataloader = val_evaluator = val_cfg = None
test_dataloader = test_evaluator = test_cfg = None
custom_hooks = []
model_wrapper_cfg = None
