from mmsemiloc.engine.accum_optim_wrapper import AccumOptimWrapper
from mmsemiloc.engine.amp_accum_optim_wrapper import AmpAccumOptimWrapper
from mmsemiloc.engine.cam_evolution_hook import CAMEvolutionHook
from mmsemiloc.engine.distributed import SemiSupDistributedDataParallel
from mmsemiloc.engine.finite import NotFiniteError, first_not_finite
from mmsemiloc.engine.finite_hook import FiniteHook
from mmsemiloc.engine.first_steps_hook import FirstStepsHook
from mmsemiloc.engine.health_hook import HealthHook
from mmsemiloc.engine.loss_schedule_hook import LossScheduleHook
from mmsemiloc.engine.mean_teacher_hook import MeanTeacherHook
from mmsemiloc.engine.runner import SemiSupRunner
from mmsemiloc.engine.setup_hook import SemiSupSetupHook

__all__ = [
    'AccumOptimWrapper',
    'AmpAccumOptimWrapper',
    'CAMEvolutionHook',
    'FiniteHook',
    'FirstStepsHook',
    'HealthHook',
    'LossScheduleHook',
    'MeanTeacherHook',
    'NotFiniteError',
    'SemiSupDistributedDataParallel',
    'SemiSupRunner',
    'SemiSupSetupHook',
    'first_not_finite',
]
