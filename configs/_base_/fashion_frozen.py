# Fashion-MNIST on frozen features: an EfficientNet-Lite0 of ImageNet sees each image once, then
# steps of a linear classifier over all images at once, so NBEL is exact. 2,000 unlabelled images,
# 1,000 for validation, 10,000 for test. Nothing here was tuned; the weights of MEL and NBEL are
# those of finetune_few_labels.py.

_base_ = ['efficientnet_lite0.py', 'fashion_mnist.py', 'runtime.py']

per_class = 4  # labelled images of each class
label_seed = 0  # draws them
image_size = 128  # what the network sees
unlabeled_images = 2000
steps = 100
# Each labelled image comes equally often in each step if 10 per_class divides 160: for 1, 2, 4, 8
# or 16 of each class.
labeled_rows = 160
batch_size = unlabeled_images + labeled_rows
labeled_ratio = labeled_rows / batch_size
features_dims = 64  # principal components that the classifier learns from

ramp = dict(end=0.3)
mel = dict(type='mmsemiloc.MeanEntropyLoss', loss_weight=0.3, schedule=ramp)
nbel = dict(type='mmsemiloc.NegativeBatchEntropyLoss', loss_weight=1.0, schedule=ramp)
fixmatch = dict(type='mmsemiloc.FixMatchLoss', threshold=0.8, schedule=ramp)

enlarge = [dict(type='Resize', scale=(image_size, image_size)), dict(type='PackInputs')]
frozen = dict(
    type='mmsemiloc.CachedFeatures',
    model={{_base_.model}},
    pipeline=[dict(type='mmsemiloc.GrayToBGR'), *enlarge],
)
clothes = dict(type='mmsemiloc.FashionMNIST', data_root={{_base_.data_root}})
drawn = dict(per_class=per_class, seed=label_seed, **clothes)
strong = [dict(type='mmsemiloc.GrayToBGR'), *_base_.strong_transforms, *enlarge]

model = dict(
    data_preprocessor=dict(_delete_=True, num_classes=10),
    backbone=dict(_delete_=True, type='mmsemiloc.CachedMaps', channels=1280, dims=features_dims),
    head=dict(in_channels=features_dims, predict_cam=False),
)
custom_hooks = [dict(type='mmsemiloc.FeatureStartHook')]

collate = dict(type='default_collate')
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=0,
    persistent_workers=False,
    collate_fn=collate,
    dataset=dict(
        labeled=dict(_delete_=True, images=drawn, **frozen),
        unlabeled=dict(
            _delete_=True, images=dict(labeled=False, indices=unlabeled_images, **drawn), **frozen
        ),
    ),
    sampler=dict(
        batch_size=batch_size, labeled_ratio=labeled_ratio, epoch_length=steps, shuffle=False
    ),
)
val_dataloader = dict(
    batch_size=1000,
    num_workers=0,
    persistent_workers=False,
    collate_fn=collate,
    dataset=dict(_delete_=True, images=dict(split='val', indices=1000, **clothes), **frozen),
)
test_dataloader = dict(
    batch_size=1000,
    num_workers=0,
    persistent_workers=False,
    collate_fn=collate,
    dataset=dict(_delete_=True, images=dict(split='test', **clothes), **frozen),
)

optim_wrapper = dict(
    type='mmsemiloc.AccumOptimWrapper',
    micro_batch_size=None,
    optimizer=dict(type='Adam', lr=0.1),
    # The bias learns a fifth as fast.
    paramwise_cfg=dict(custom_keys={'head.fc.bias': dict(lr_mult=0.2)}),
)
param_scheduler = dict(
    type='LinearLR', by_epoch=False, start_factor=1.0, end_factor=0.0, begin=0, end=steps + 1
)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=steps)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(by_epoch=False, interval=steps, max_keep_ckpts=1),
    health=dict(interval=20),
)
log_processor = dict(by_epoch=False, window_size=20)
