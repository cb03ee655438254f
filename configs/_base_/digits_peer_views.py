# Two views of a scene: crops and colours, so that they have neither the place nor the colours of
# the background in common.
peer_transforms = [
    dict(type='RandomResizedCrop', scale=32, crop_ratio_range=(0.4, 1.0)),
    dict(
        type='RandomApply',
        prob=0.8,
        transforms=[
            dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.5)
        ],
    ),
    dict(type='RandomGrayscale', prob=0.2, keep_channels=True),
    dict(type='Invert', prob=0.5),
]
peer_pipeline = [
    dict(type='MultiView', num_views=[2], transforms=[peer_transforms]),
    dict(type='PackInputs'),
]
