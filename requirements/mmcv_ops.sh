#!/usr/bin/env bash
# Install onedl-mmcv with its C++ ops into the environment of PYTHON, building the wheel once a machine.
#
#   requirements/mmcv_ops.sh .venv/bin/python
#
# The wheel lies in ${XDG_CACHE_HOME:-~/.cache}/mmsemiloc/wheels/<key>, keyed by everything that its binary depends on.
# CUDA ops are built where torch sees a GPU and finds the CUDA toolkit (nvcc), CPU ops elsewhere. MAX_JOBS limits the
# compilers that run at once, each of which takes up to 1 GB.
set -euo pipefail

python=${1:?usage: mmcv_ops.sh PYTHON}
if "$python" -c 'import mmcv.ops' 2>/dev/null; then exit 0; fi

version=$("$python" -c 'from importlib.metadata import version; print(version("onedl-mmcv"))')
device=$("$python" -c '
import torch
device = "cpu"
if torch.cuda.is_available():
    from torch.utils.cpp_extension import CUDA_HOME
    device = f"cu{torch.version.cuda}" if CUDA_HOME else "cpu"
print(device)')
key=$("$python" -c "
import platform, sys, torch
print('-'.join(['mmcv$version', 'torch' + torch.__version__, sys.implementation.cache_tag, platform.machine(), '$device']))")
wheels=${XDG_CACHE_HOME:-$HOME/.cache}/mmsemiloc/wheels/$key

if ! ls "$wheels"/*.whl >/dev/null 2>&1; then
    command -v "${CXX:-c++}" >/dev/null || { echo "mmcv_ops.sh: no C++ compiler (${CXX:-c++}); install one, e.g. g++" >&2; exit 1; }
    echo "mmcv_ops.sh: building the $device ops of onedl-mmcv $version once (about 13 minutes on 2 cores) -> $wheels"
    mkdir -p "$wheels"
    scratch=$(mktemp -d "$wheels/.build.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    # A GPU without the toolkit would make mmcv's setup look for nvcc and stop: hide it.
    if [ "$device" = cpu ]; then export CUDA_VISIBLE_DEVICES=; fi
    # --no-build-isolation: mmcv builds its ops only where torch can be imported, and for that torch.
    # --no-cache-dir: otherwise pip hands back the wheel without ops that a plain install has left in its cache.
    # PATH: torch looks for ninja there.
    MAX_JOBS=${MAX_JOBS:-$(getconf _NPROCESSORS_ONLN)} PATH="$(cd "$(dirname "$python")" && pwd):$PATH" \
        "$python" -m pip wheel --quiet --no-build-isolation --no-cache-dir --no-deps --wheel-dir "$scratch" "onedl-mmcv==$version"
    mv "$scratch"/*.whl "$wheels"/   # a rename: a build cut short leaves no wheel behind
fi
"$python" -m pip install --quiet --force-reinstall --no-deps --no-index "$wheels"/*.whl
"$python" -c 'import mmcv.ops' || { echo "mmcv_ops.sh: the wheel in $wheels has no working ops; delete that folder and try again" >&2; exit 1; }
