from mmsemiloc.engine.checks.finite import NotFiniteError, first_not_finite
from mmsemiloc.engine.distributed import SemiSupDistributedDataParallel
from mmsemiloc.engine.hooks.cam_evolution_hook import CAMEvolutionHook
from mmsemiloc.engine.hooks.finite_hook import FiniteHook
from mmsemiloc.engine.hooks.first_steps_hook import FirstStepsHook
from mmsemiloc.engine.hooks.health_hook import HealthHook
from mmsemiloc.engine.hooks.history_hook import HistoryHook
from mmsemiloc.engine.hooks.loss_schedule_hook import LossScheduleHook
from mmsemiloc.engine.hooks.mean_teacher_hook import MeanTeacherHook
from mmsemiloc.engine.hooks.restart_hook import RestartHook
from mmsemiloc.engine.hooks.setup_hook import SemiSupSetupHook
from mmsemiloc.engine.hooks.whole_checkpoint_hook import WholeCheckpointHook
from mmsemiloc.engine.optimizers.accum_optim_wrapper import AccumOptimWrapper
from mmsemiloc.engine.optimizers.amp_accum_optim_wrapper import AmpAccumOptimWrapper
from mmsemiloc.engine.runner import SemiSupRunner
from mmsemiloc.engine.train_loop import PromptTrainLoop

__all__ = [
    'AccumOptimWrapper',
    'AmpAccumOptimWrapper',
    'CAMEvolutionHook',
    'FiniteHook',
    'FirstStepsHook',
    'HealthHook',
    'HistoryHook',
    'LossScheduleHook',
    'MeanTeacherHook',
    'NotFiniteError',
    'PromptTrainLoop',
    'RestartHook',
    'SemiSupDistributedDataParallel',
    'SemiSupRunner',
    'SemiSupSetupHook',
    'WholeCheckpointHook',
    'first_not_finite',
]
