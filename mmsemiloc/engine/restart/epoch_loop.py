"""An epoch-based loop that goes on in the middle of an epoch."""

from mmengine.runner import EpochBasedTrainLoop

from mmsemiloc.datasets import SemiSupSampler


class ResumableEpochLoop(EpochBasedTrainLoop):
    """``EpochBasedTrainLoop`` that can go on after any step, with ``SemiSupSampler``."""

    @property
    def resumable(self) -> bool:
        """Whether the order of images can be entered in the middle of an epoch."""
        return isinstance(self.dataloader.sampler, SemiSupSampler)

    def run_epoch(self) -> None:
        """Iterate over an epoch, or what an earlier process has left of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()

        # The sampler enters its order there, without loading what comes before. A run may have been
        # stopped after the last step, before the hooks at the end of the epoch.
        length = len(self.dataloader)
        done = self.iter - self.epoch * length if self.resumable else 0
        if done < length:
            if done:
                self.dataloader.sampler.skip(done * self.dataloader.batch_size)
            for idx, data_batch in enumerate(self.dataloader, done):
                self.run_iter(idx, data_batch)

        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
