"""Made-up results."""

from mmsemiloc.study import Cost, Result


def make_result(
    name: str,
    seed: int,
    accuracy: float,
    cam_in_box: float | None = 30.0,
    recall: float | None = None,
    **others,
) -> Result:
    """The result of a classifier, with other arguments of :class:`Result` if given."""
    metrics = dict(
        accuracy=accuracy,
        mean_recall=recall or accuracy,
        classes_used=9,
        num_classes=10,
        max_box_acc_v2=accuracy / 2,
        cam_in_box=cam_in_box,
        cam_area=25.0,
        box_area=20.0,
        centre_box_acc_v2=15.0,
    )
    given = dict(split='val', metrics=metrics, cost=Cost(10, 320, 5.0, 1.0), folder='f')
    return Result(name=name, seed=seed, **{**given, **others})


def make_transfer_result(name: str, seed: int, task: str = 'det', **metrics: float) -> Result:
    """The result of one task of a transfer study."""
    return Result(name, seed, 'test', metrics, Cost(4, 32, 2.0 + seed), task)
