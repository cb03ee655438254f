#!/usr/bin/env bash
# usage: dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
#
# Test with GPUS processes on this machine, through NCCL on GPUs and gloo where there are none.
#
# example:
#   tools/dist_test.sh configs/densenet_mel_nbel_loc.py \
#       work_dirs/densenet_mel_nbel_loc/epoch_90.pth 8
#
# From the environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, PYTHON and OMP_NUM_THREADS, as for
# dist_train.sh.
set -euo pipefail
tools=$(cd "$(dirname "$0")" && pwd)
source "$tools/_launch.sh"

case ${1:-} in -h | --help) usage; exit ;; esac
[[ $# -ge 3 ]] || fail 'expected CONFIG CHECKPOINT GPUS [arguments of test.py]; see --help'
launch "$3" "$tools/test.py" "$1" "$2" --launcher pytorch "${@:4}"
