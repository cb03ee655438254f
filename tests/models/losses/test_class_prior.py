import math

import pytest
import torch

from mmsemiloc.models.losses.class_prior import ClassPrior, read_prior


def test_numbers_of_a_file(tmp_path):
    file = tmp_path / 'prior.txt'
    file.write_text('1 2\n\n3.5\n1e2\n')
    assert read_prior(str(file)) == [1, 2, 3.5, 100]
    torch.testing.assert_close(
        ClassPrior(str(file)).log_prior.exp(), torch.tensor([1, 2, 3.5, 100]).double() / 106.5
    )


def test_bad_files(tmp_path):
    file = tmp_path / 'prior.txt'
    file.write_text('1 2\n3 x\n')
    with pytest.raises(ValueError, match=r"prior.txt, line 2: .*'x'"):
        read_prior(str(file))
    with pytest.raises(ValueError, match='none.txt'):
        ClassPrior(str(tmp_path / 'none.txt'))


@pytest.mark.parametrize('prior', [[2, 6], (0.25, 0.75), torch.tensor([1, 3])])
def test_shares_and_counts_in_any_unit(prior):
    torch.testing.assert_close(
        ClassPrior(prior).checked_log_prior(2).exp(), torch.tensor([0.25, 0.75]).double()
    )


def test_uniform_is_none():
    assert ClassPrior().checked_log_prior(7) is None


@pytest.mark.parametrize('shares', [[1, 0, -2], [1, math.nan, math.inf]])
def test_shares_that_are_not_positive_are_named(shares):
    with pytest.raises(ValueError, match=r'C positive numbers; classes \[1, 2\]'):
        ClassPrior(shares)


def test_a_matrix_is_no_prior():
    with pytest.raises(ValueError, match='C positive numbers'):
        ClassPrior(torch.ones(2, 2))


def test_labeled_waits_for_counts():
    prior = ClassPrior('labeled')
    with pytest.raises(ValueError, match="prior='labeled'. has no class counts"):
        prior.checked_log_prior(2)
    prior.set_prior([1, 3])
    torch.testing.assert_close(
        prior.checked_log_prior(2).exp(), torch.tensor([0.25, 0.75]).double()
    )
    with pytest.raises(ValueError, match='prior has 2 classes, cls_score has 3'):
        prior.checked_log_prior(3)


def test_a_prior_is_no_part_of_the_state_dict():
    assert not ClassPrior([1, 2]).state_dict()
