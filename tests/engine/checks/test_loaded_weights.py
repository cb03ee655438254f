import pytest

from mmsemiloc.engine.checks.loaded_weights import check_frozen_is_trained
from tests.conftest import make_model

FILE = dict(type='Pretrained', checkpoint='file.pth')


@pytest.mark.parametrize(
    'frozen, where',
    [
        (['backbone'], 'backbone'),
        (['backbone.stages.0'], 'backbone'),  # a part of it
        (['backbone'], 'backbone.stages.0'),  # it has parts
        (['backbone.stages.0', 'head'], ''),  # the whole model
    ],
)
def test_frozen_parts_need_weights(frozen, where):
    model = make_model(frozen=frozen)
    with pytest.raises(ValueError, match=f"keeps '{frozen[0]}' as it is, but .* load_from=FILE"):
        check_frozen_is_trained(model, loaded=False)

    check_frozen_is_trained(model, loaded=True)
    model.get_submodule(where).init_cfg = [dict(type='Normal', layer='Linear'), FILE]
    check_frozen_is_trained(model, loaded=False)


def test_weights_of_another_part_do_not_count():
    model = make_model(frozen=['backbone.stages', 'head.fc'])
    model.backbone.init_cfg = FILE
    with pytest.raises(ValueError, match="keeps 'head.fc'"):
        check_frozen_is_trained(model, loaded=False)
    check_frozen_is_trained(make_model(), loaded=False)
