import time

import pytest

from tests.reliability.tiny_runs import log_of, train

LAST = {'epochs': 'epoch_3.pth'}


@pytest.fixture(scope='session')
def reference(tmp_path_factory):
    """A function that gives the folder of an uninterrupted run, and the seconds that it took."""
    runs = {}

    def run(case, **arguments):
        key = (case, repr(sorted(arguments.items())))
        if key not in runs:
            folder = tmp_path_factory.mktemp('reference') / case
            begin = time.monotonic()
            codes = train(case, folder, **arguments)
            assert set(codes) == {0}, log_of(folder)[-2000:]
            runs[key] = folder, time.monotonic() - begin
        return runs[key]

    return run
