import pytest
from mmengine.config import Config

from mmsemiloc.commands.knobs import apply_knobs


@pytest.mark.parametrize(
    'knob', [dict(labeled_ratio=0.5), dict(micro_batch_size=4), dict(num_labeled=4)]
)
def test_a_knob_without_a_place_is_refused(knob):
    cfg = Config(
        dict(
            model=dict(type='ImageClassifier', head=dict(num_classes=3)),
            optim_wrapper=dict(type='OptimWrapper'),
            train_dataloader=dict(
                batch_size=2, sampler=dict(type='DefaultSampler'), dataset=dict()
            ),
        )
    )
    with pytest.raises(ValueError, match='has no place in the config'):
        apply_knobs(cfg, knob)
    cfg = apply_knobs(cfg, dict(batch_size=5, num_classes=4))
    assert cfg.train_dataloader.batch_size == 5 and 'batch_size' not in cfg.train_dataloader.sampler
    assert cfg.model.head.num_classes == 4
