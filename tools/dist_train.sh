#!/usr/bin/env bash
# usage: dist_train.sh CONFIG GPUS [arguments of train.py]
#
# Train with GPUS processes on this machine, through NCCL on GPUs and gloo where there are none.
#
# example: tools/dist_train.sh configs/densenet_mel_nbel_loc.py 8 --amp
#
# Several machines: on each, with NODE_RANK from 0 to NNODES - 1 and the address of the first one,
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 PORT=29500 tools/dist_train.sh CONFIG 8
# After a crash, start all processes again and resume, up to three times:
#   MAX_RESTARTS=3 tools/dist_train.sh CONFIG 8
# Also from the environment: OMP_NUM_THREADS (default: cores / GPUS), and PYTHON, the interpreter
# (default: that of the checkout's .venv, else of the active environment, else python on PATH).
set -euo pipefail
tools=$(cd "$(dirname "$0")" && pwd)
source "$tools/_launch.sh"

case ${1:-} in -h | --help) usage; exit ;; esac
[[ $# -ge 2 ]] || fail 'expected CONFIG GPUS [arguments of train.py]; see --help'
launch "$2" "$tools/train.py" "$1" --launcher pytorch "${@:3}"
