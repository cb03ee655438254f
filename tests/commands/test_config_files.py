import ast

import pytest

from mmsemiloc.commands.config_files import names_in, plain_value


@pytest.mark.parametrize(
    'text, value',
    [
        ('a = 3', 3),
        ('a = dict(b=1, c=[2])', dict(b=1, c=[2])),
        ('ramp = dict(begin=0.5)\na = dict(schedule=ramp)', dict(schedule=dict(begin=0.5))),
        ('a = dict(begin=3 / 8)', dict(begin=0.375)),
        ('a = 1 / 0', None),
        ("a = 'x' / 2", None),
        ('a = len([1])', None),
        ('a = a', None),
        ('a = 1\na = a / 2', None),
        ('a = b\nb = a', None),
    ],
)
def test_plain_values(text, value):
    assigned = names_in(ast.parse(text)).assigned
    assert plain_value(assigned['a'], assigned) == value


def test_names_of_a_file():
    names = names_in(ast.parse('a, b = c, 2\nd: int = 3\nd += _base_.e\nmodel = dict(f=b)'))
    assert set(names.assigned) == {'a', 'b', 'd', 'model'}
    assert [name for name, value in names.assigned.items() if value] == ['model']
    assert names.read == {'b', 'c', 'dict', 'int', '_base_'} and names.of_base == {'e'}
