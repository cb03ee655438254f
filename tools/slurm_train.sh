#!/usr/bin/env bash
# usage: slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]
#
# Train on a Slurm cluster, one task per GPU.
#
# example:
#   GPUS=16 tools/slurm_train.sh gpu densenet configs/densenet_mel_nbel_loc.py \
#       work_dirs/densenet --amp
#
# Two minutes before its time is over, Slurm lets the run save and end (--signal). As a batch job it
# is queued again then, and after a preemption or a failed node, and goes on by itself:
#   REQUEUE=1 SBATCH_ARGS='--time=8:00:00' tools/slurm_train.sh gpu densenet CONFIG WORK_DIR
#
# From the environment: GPUS (default 8), GPUS_PER_NODE (8, or GPUS if that is less),
# CPUS_PER_TASK (5), SRUN_ARGS (further arguments of srun), SBATCH_ARGS (of sbatch, with REQUEUE=1),
# PYTHON (the interpreter; default: as for dist_train.sh).
set -euo pipefail
tools=$(cd "$(dirname "$0")" && pwd)
source "$tools/_launch.sh"

case ${1:-} in -h | --help) usage; exit ;; esac
[[ $# -ge 4 ]] || fail 'expected PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]; see --help'
gpus=${GPUS:-8}
python=$(find_python) || exit  # PYTHON is not tried here: it may be there on the nodes alone
command -v srun >/dev/null ||
    fail 'no srun on PATH: run this on a machine of a Slurm cluster; without Slurm use dist_train.sh'
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}

# SRUN_ARGS and SBATCH_ARGS are lists of words, so they stand without quotes.
export PYTHONPATH=$tools/..${PYTHONPATH:+:$PYTHONPATH}
cpus=--cpus-per-task=${CPUS_PER_TASK:-5}
resources=(-p "$1" --job-name="$2" --gres="gpu:$per_node" --ntasks="$gpus"
           --ntasks-per-node="$per_node" --signal=USR1@120)
run=(srun "$cpus" --kill-on-bad-exit=1 ${SRUN_ARGS:-})
train=("$python" -u "$tools/train.py" "$3" --work-dir "$4" --launcher slurm "${@:5}")
[[ ${REQUEUE:-0} != 0 ]] || exec "${run[@]}" "${resources[@]}" "${train[@]}"

# Exit code 143: the run was told to stop, and has saved.
exec sbatch "${resources[@]}" "$cpus" --requeue --open-mode=append ${SBATCH_ARGS:-} <<JOB
#!/usr/bin/env bash
$(printf '%q ' "${run[@]}" "${train[@]}")
code=\$?
[[ \$code != 143 ]] || scontrol requeue "\$SLURM_JOB_ID"
exit \$code
JOB
