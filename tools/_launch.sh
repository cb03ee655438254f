# Sourced by dist_train.sh and dist_test.sh: start one process a GPU (or CPU process) with torchrun.

# Print the comment on top of a script, which is its help.
usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

# Print a one-line error and exit.
fail() {
    echo "$(basename "$0"): error: $1" >&2
    exit 2
}

# launch GPUS SCRIPT [arguments of the script]
launch() {
    local gpus=$1 script=$2 cores where
    [[ $gpus =~ ^[1-9][0-9]*$ ]] || fail "GPUS must be a number of processes, got '$gpus'"

    # Processes share the cores; torchrun's own default is one thread each.
    cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((cores > gpus ? cores / gpus : 1))}
    export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}

    [[ ${NNODES:-1} == 1 || -n ${MASTER_ADDR:-} ]] || fail 'NNODES is set: set MASTER_ADDR too, to the address of the first machine'
    if [[ ${NNODES:-1} != 1 || -n ${PORT:-} ]]; then
        where=(--nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}" --master-addr="${MASTER_ADDR:-127.0.0.1}"
               --master-port="${PORT:-29500}")
    else
        where=(--standalone --local-addr=127.0.0.1)  # takes a free port, so several runs fit on a machine
    fi
    # PYTHONPATH: works from a checkout that is not installed, too.
    PYTHONPATH=$(dirname "$script")/..${PYTHONPATH:+:$PYTHONPATH} \
        exec "${PYTHON:-python}" "$tools/_torchrun.py" "${where[@]}" --nproc-per-node="$gpus" "$script" "${@:3}"
}
