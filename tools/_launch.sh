# Sourced by dist_train.sh, dist_test.sh and slurm_train.sh: find an interpreter, and start one
# process per GPU (or per CPU process).

# Print the comment on top of a script, which is its help.
usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

# Print a one-line error and exit.
fail() {
    echo "$(basename "$0"): error: $1" >&2
    exit 2
}

# Whether an interpreter has PyTorch. It is looked up, not imported, which would take seconds.
has_torch() {
    local code='import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'
    "$1" -c "$code" >/dev/null 2>&1
}

# Print the interpreter: PYTHON of the environment, that of the checkout's .venv, that of the active
# environment, or one on PATH.
find_python() {
    local candidate root make=
    root=$(dirname "$tools")
    if [[ -n ${PYTHON:-} ]]; then
        echo "$PYTHON"
        return
    fi
    for candidate in "$root/.venv/bin/python" ${VIRTUAL_ENV:+"$VIRTUAL_ENV/bin/python"} \
        python python3; do
        if has_torch "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    [[ ! -f $root/Makefile ]] || make="run 'make env' in $root, "
    fail "no Python with torch: ${make}activate an environment that has it, or set \
PYTHON=/path/to/python"
}

# launch GPUS SCRIPT [arguments of the script]
launch() {
    local gpus=$1 script=$2 cores where python
    [[ $gpus =~ ^[1-9][0-9]*$ ]] || fail "GPUS must be a number of processes, got '$gpus'"

    python=$(find_python) || exit
    has_torch "$python" || fail "PYTHON=$python does not run, or has no torch"

    # Processes share the cores; torchrun's own default is one thread each.
    cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((cores > gpus ? cores / gpus : 1))}
    export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}

    [[ ${NNODES:-1} == 1 || -n ${MASTER_ADDR:-} ]] ||
        fail 'NNODES is set: set MASTER_ADDR too, to the address of the first machine'
    if [[ ${NNODES:-1} != 1 || -n ${PORT:-} ]]; then
        where=(--nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}"
               --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}")
    else
        # This takes a free port, so that several runs fit on a machine.
        where=(--standalone --local-addr=127.0.0.1)
    fi

    # A process that fails or is killed ends all others; then all start again, and train.py resumes.
    # In torch 2.11 they would not find each other again through the launcher's own store.
    [[ ${MAX_RESTARTS:-0} =~ ^[0-9]+$ ]] ||
        fail "MAX_RESTARTS must be a number of restarts, got '$MAX_RESTARTS'"
    if [[ ${MAX_RESTARTS:-0} != 0 ]]; then
        where+=(--max-restarts="$MAX_RESTARTS")
        export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
    fi

    # PYTHONPATH: works from a checkout that is not installed, too.
    PYTHONPATH=$(dirname "$script")/..${PYTHONPATH:+:$PYTHONPATH} \
        exec "$python" "$tools/_torchrun.py" "${where[@]}" --nproc-per-node="$gpus" \
        "$script" "${@:3}"
}
