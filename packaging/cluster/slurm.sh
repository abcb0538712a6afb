#!/bin/bash
# seamwise on SLURM: one scheduler, eight workers, one image. NOT RUN: we had no SLURM.
#
#   sbatch slurm.sh stack.ome.zarr labels walls-3d
#
# Image, output and the environment of seamwise must be in folders that every node sees.
#SBATCH --job-name=seamwise
#SBATCH --ntasks=8
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2G
#SBATCH --time=24:00:00

set -euo pipefail
image=$1 output=$2 model=$3
source "${SEAMWISE_ENV:-$HOME/seamwise/.venv}/bin/activate"

# the file tells everybody where the scheduler listens
file=$PWD/seamwise-$SLURM_JOB_ID.json
trap 'kill $(jobs -p) 2>/dev/null; rm -f "$file"' EXIT
# a node that stands still is given up after five minutes; its blocks go to another one
dask scheduler --scheduler-file "$file" --no-dashboard &
while [ ! -s "$file" ]; do sleep 1; done

# one process for each task of SLURM, with all its cores and nine tenths of its memory
memory=$((SLURM_MEM_PER_CPU * SLURM_CPUS_PER_TASK * 9 / 10))MB
srun --kill-on-bad-exit=0 dask worker --scheduler-file "$file" --nworkers 1 \
  --nthreads "$SLURM_CPUS_PER_TASK" --memory-limit "$memory" --local-directory "${TMPDIR:-/tmp}" &

address=$(python - "$file" "$SLURM_NTASKS" <<'PYTHON'
import json
import sys

from distributed import Client

path, workers = sys.argv[1:]
Client(scheduler_file=path).wait_for_workers(int(workers), timeout=600)
with open(path) as stream:
    print(json.load(stream)["address"])
PYTHON
)
# after a time limit: hand the same job in again, it resumes
seamwise segment "$image" -o "$output" --model "$model" --runtime openvino --scheduler "$address"
