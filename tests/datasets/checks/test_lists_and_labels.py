"""Each way in which lists and labels can be wrong: found before training, under each policy, with
the line or index.
"""

import pytest

from mmsemiloc.datasets import SemiSupDataset
from mmsemiloc.datasets.checks import classes, overlap
from tests.datasets.conftest import GOOD, POLICIES, load_names, save_image

every_policy = pytest.mark.parametrize('faults', POLICIES.values(), ids=list(POLICIES))
with_and_without_workers = pytest.mark.parametrize('workers', [0, 2])


def set_line(part, place, line):
    return lambda sources: sources.lists[part].__setitem__(place, line)


def set_lines(**lists):
    return lambda sources: sources.lists.update(lists)


def held_out(sources, part):
    """A validation image that is one of a source too."""
    sources.lists['val'] = [
        '../labeled/ø 3.jpg 1' if part == 'labeled' else '../unlabeled/ø 3.jpg 1'
    ]


LIST_FAULTS = {  # how to break a list, and the message
    'label -1': (
        set_line('labeled', 4, 'ø 4.jpg -1'),
        'labelled image 4 of 6 .*labeled/ø 4.jpg. has label -1, but .* 0 to 1',
    ),
    'label C': (
        set_line('labeled', 5, 'ø 5.jpg 2'),
        r'labelled image 5 of 6 .* has label 2, .* 0 to 1 \(1 such',
    ),
    'label no number': (
        set_line('labeled', 2, 'ø 2.jpg cat'),
        "line 3: 'ø 2.jpg cat': the label 'cat' is not a whole number",
    ),
    'label no whole number': (
        set_line('labeled', 2, 'ø 2.jpg 1.5'),
        "line 3: 'ø 2.jpg 1.5': the label '1.5' is not a whole number",
    ),
    'label missing': (
        set_line('labeled', 1, 'ø1.jpg'),
        "labeled.txt, line 2: 'ø1.jpg': it has no label: expected",
    ),
    'empty labelled list': (set_lines(labeled=[]), 'labeled.txt has no images'),
    'empty unlabelled list': (set_lines(unlabeled=[]), 'unlabeled.txt has no images'),
    'labelled twice': (
        set_line('labeled', 4, 'ø 1.jpg 0'),
        'labelled image 4 of 6 .*ø 1.jpg. is labelled image 1 too',
    ),
    'in both lists': (
        set_line('unlabeled', 5, '../labeled/ø 1.jpg'),
        r'unlabelled image 5 of 6 .*labeled/ø 1.jpg. is labelled image 1 too: .*allow_overlap=True',
    ),
    'labelled and for validation': (
        lambda sources: held_out(sources, 'labeled'),
        'labelled image 3 of 6 .*ø 3.jpg. is validation image 0 too',
    ),
    'out of the root': (
        set_line('unlabeled', 2, '../../x.jpg'),
        r'unlabelled image 2 of 6 .*x.jpg. is outside of ',
    ),
    'absolute path': (
        set_line('labeled', 2, '/etc/x.jpg 1'),
        r'labelled image 2 of 6 ./etc/x.jpg. is outside of ',
    ),
}


@pytest.mark.parametrize('fault', LIST_FAULTS)
@every_policy
@with_and_without_workers
def test_lists_and_labels_are_checked_before_training(sources, fault, faults, workers):
    LIST_FAULTS[fault][0](sources)
    with pytest.raises(ValueError, match=LIST_FAULTS[fault][1]):
        dataset = sources.build(faults=faults)
        dataset.check(2, sources.validation() if sources.lists['val'] else None)
        load_names(dataset, workers)


@every_policy
@with_and_without_workers
def test_sound_lists_pass(sources, faults, workers):
    """Negative control: spaces, letters beyond ASCII and Windows line ends are no faults, nor is a
    validation set.
    """
    save_image(sources.root / 'val' / 'ø 0.jpg')
    sources.lists['val'] = ['ø 0.jpg 1']
    dataset = sources.build(faults=faults)
    dataset.check(2, sources.validation())
    assert load_names(dataset, workers) == [f'ø {i}.jpg' for i in range(GOOD)] * 2


def test_a_missing_list_is_named(sources):
    with pytest.raises(
        ValueError, match=r'cannot read the list of images .*nothing.txt: .*No such file'
    ):
        SemiSupDataset({**sources.config('labeled'), 'ann_file': 'nothing.txt'})


def test_a_list_that_is_not_utf8_is_named_with_its_line(sources):
    config = sources.config('labeled')
    (sources.root / 'labeled.txt').write_bytes(b'a.jpg 0\n\xf8.jpg 1\n')
    with pytest.raises(ValueError, match=r'labeled.txt, line 2: not UTF-8: .*xf8.jpg'):
        SemiSupDataset(config)


def test_overlap_is_allowed_on_request(sources):
    sources.lists['unlabeled'][5] = '../labeled/ø 1.jpg'
    sources.build(allow_overlap=True).check(2)


def warnings_of(monkeypatch, action):
    messages = []
    for module in (classes, overlap):
        monkeypatch.setattr(module, 'print_log', lambda message, **kwargs: messages.append(message))
    action()
    return messages


def test_unlabelled_images_for_validation_are_counted_in_a_warning(sources, monkeypatch):
    held_out(sources, 'unlabeled')
    (message,) = warnings_of(monkeypatch, lambda: sources.build().check(2, sources.validation()))
    assert message.startswith('1 of 6 unlabelled images are in the validation set too')


@every_policy
@with_and_without_workers
def test_classes_without_labelled_images_are_named(sources, monkeypatch, faults, workers):
    sources.lists['labeled'] = [f'ø {i}.jpg 0' for i in range(GOOD)]
    dataset = sources.build(faults=faults)
    (message,) = warnings_of(monkeypatch, lambda: dataset.check(2))
    assert message == 'no labelled image of class 1 (b): 1 of 2 classes cannot be learned'
    assert len(load_names(dataset, workers)) == 2 * GOOD
    sources.lists['labeled'] = [f'ø {i}.jpg {i % 2}' for i in range(GOOD)]
    assert not warnings_of(monkeypatch, lambda: sources.build(faults=faults).check(2))


@every_policy
def test_an_empty_class_folder_is_named(sources, monkeypatch, faults):
    save_image(sources.root / 'train' / 'a' / '1.jpg')
    (sources.root / 'train' / 'b').mkdir()
    dataset = SemiSupDataset(
        dict(
            type='CustomDataset',
            data_root=str(sources.root),
            data_prefix='train',
            serialize_data=False,
        ),
        faults=faults,
    )
    assert warnings_of(monkeypatch, lambda: dataset.check(2)) == [
        'no labelled image of class 1 (b): 1 of 2 classes cannot be learned'
    ]


def test_links_are_not_followed(sources):
    (sources.root / 'unlabeled' / 'link.jpg').symlink_to('/nowhere.jpg')
    sources.lists['unlabeled'][0] = 'link.jpg'
    sources.build().check(2)
