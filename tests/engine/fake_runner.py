"""A stand-in for MMEngine's runner."""

import itertools
from types import SimpleNamespace

from mmengine.logging import MessageHub

NUMBERS = itertools.count()  # each runner has a message hub of its own


class FakeRunner(SimpleNamespace):
    """What the hooks read of a runner."""

    def __init__(self, model, **kwargs):
        hub = MessageHub.get_instance(f'test{next(NUMBERS)}')
        defaults = dict(
            iter=0,
            epoch=0,
            val_loop=None,
            max_iters=100,
            max_epochs=1,
            hooks=[],
            cfg={},
            param_schedulers=None,
            optim_wrapper=None,
        )
        super().__init__(model=model, message_hub=hub, **{**defaults, **kwargs})

    def register_hook(self, hook):
        self.hooks.append(hook)

    def scalar(self, name):
        return self.message_hub.get_scalar(f'train/{name}').current()
