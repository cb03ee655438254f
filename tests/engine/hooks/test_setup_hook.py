from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmsemiloc.datasets import DigitScenes, SemiSupDataset, SemiSupSampler
from mmsemiloc.engine import SemiSupSetupHook
from mmsemiloc.engine.checks.agreement import check_model, number_of_classes
from mmsemiloc.engine.hooks import setup_hook
from mmsemiloc.registry import MODELS
from tests.conftest import make_model
from tests.engine.fake_runner import FakeRunner


def loader(batch_size=4):
    pipeline = [dict(type='PackInputs')]
    dataset = SemiSupDataset(
        DigitScenes(num_images=13, pipeline=pipeline),
        DigitScenes(first=13, num_images=7, pipeline=pipeline),
    )
    return torch.utils.data.DataLoader(
        dataset, batch_size, sampler=SemiSupSampler(dataset, 4, 0.5, seed=0)
    )


def runner_with_prior(prior, train_loader):
    nbel = MODELS.build(dict(type='mmsemiloc.NegativeBatchEntropyLoss', prior=prior))
    return runner_with_terms(dict(nbel=nbel), train_loader)


def runner_with_terms(terms, train_loader):
    model = torch.nn.Module()
    model.head = torch.nn.Module()
    model.head.num_classes, model.head.terms = 10, torch.nn.ModuleDict(terms)
    return FakeRunner(model, train_loop=SimpleNamespace(dataloader=train_loader))


def test_labeled_prior_is_the_class_counts():
    runner = runner_with_prior('labeled', loader())
    SemiSupSetupHook().before_train(runner)
    prior = runner.model.head.terms['nbel'].log_prior.exp()
    torch.testing.assert_close(
        prior, torch.tensor([2, 2, 2, 1, 1, 1, 1, 1, 1, 1], dtype=torch.float64) / 13
    )


@pytest.mark.parametrize('label', [-1, 10])
def test_labels_out_of_range_are_found_before_training(label, monkeypatch):
    runner = runner_with_prior(None, loader())
    SemiSupSetupHook().before_train(runner)  # negative control
    labels = np.arange(13) % 10
    labels[[4, 7]] = label
    monkeypatch.setattr(
        DigitScenes, 'get_data_info', lambda self, place: dict(gt_label=int(labels[place]))
    )
    with pytest.raises(
        ValueError,
        match=rf'labelled image 4 of 13 .* label {label}, .* 10 classes, 0 to 9 .2 such images',
    ):
        SemiSupSetupHook().before_train(runner)


def test_a_resumed_run_takes_the_seed_of_the_checkpoint(monkeypatch):
    monkeypatch.setattr(setup_hook, 'check_weights', lambda runner, checkpoint: None)
    train_loader = loader()
    runner = runner_with_prior(None, train_loader)
    checkpoint = {}
    SemiSupSetupHook().before_save_checkpoint(runner, checkpoint)
    assert checkpoint == dict(sampler_seed=0)
    for iteration, expected in ((0, 5), (3, 0)):  # fine-tuning from a checkpoint, and a resumed run
        train_loader.sampler.seed, runner.iter = 5, iteration
        hook = SemiSupSetupHook()
        hook.after_load_checkpoint(runner, checkpoint)
        hook.before_train(runner)
        assert train_loader.sampler.seed == expected


def test_setup_errors():
    with pytest.raises(ValueError, match="batch_size=5 differs from its sampler's batch_size=4"):
        SemiSupSetupHook().before_train(runner_with_prior(None, loader(5)))
    plain = torch.utils.data.DataLoader(
        DigitScenes(num_images=3, pipeline=[dict(type='PackInputs')])
    )
    with pytest.raises(ValueError, match='needs a SemiSupDataset, got DigitScenes'):
        SemiSupSetupHook().before_train(runner_with_prior('labeled', plain))


def test_classes_are_those_of_models_with_one_class_per_image():
    heads = {'LinearClsHead': 3, 'MultiLabelLinearClsHead': None}
    for kind, expected in heads.items():
        model = torch.nn.Module()
        assert number_of_classes(model) is None
        model.head = MODELS.build(dict(type=kind, num_classes=3, in_channels=4))
        assert number_of_classes(model) == expected


def test_head_and_preprocessor_have_the_same_number_of_classes():
    model = make_model()
    check_model(model)
    model.data_preprocessor.num_classes = 7
    with pytest.raises(
        ValueError, match='num_classes=5 differs from num_classes=7 .* by num_classes=5'
    ):
        check_model(model)


def test_a_test_after_training_does_not_ask_for_the_classes_of_the_checkpoint_it_started_from(
    monkeypatch,
):
    asked = []
    monkeypatch.setattr(setup_hook, 'check_weights', lambda runner, checkpoint: None)
    monkeypatch.setattr(
        setup_hook, 'check_against_checkpoint', lambda data, count, meta, kind: asked.append(meta)
    )
    monkeypatch.setattr(SemiSupSetupHook, '_check_evaluation', lambda *args: None)
    runner, hook, meta = (
        runner_with_prior(None, loader()),
        SemiSupSetupHook(),
        dict(dataset_meta=dict(classes=('a', 'b'))),
    )
    runner.test_loop = SimpleNamespace(
        dataloader=SimpleNamespace(
            dataset=DigitScenes('test', num_images=2, pipeline=[dict(type='PackInputs')])
        ),
        evaluator=None,
    )
    hook.after_load_checkpoint(runner, dict(meta=meta))
    hook.before_test(runner)  # negative control: of the checkpoint that was loaded
    hook.before_train(runner)
    hook.before_test(runner)
    assert asked == [meta, {}]
