#!/usr/bin/env bash
#SBATCH --job-name smart_train
#SBATCH --nodes 2
#SBATCH --ntasks-per-node 1
#SBATCH --gpus-per-node 8
#SBATCH --cpus-per-task 64
#SBATCH --signal TERM@120
# One launcher per machine, which starts one process per GPU there. From the repository's folder:
#
#   sbatch recipes/accelerate/slurm.sh RECIPE [key=value ...]
#
# Run `./launch.sh --dry-run RECIPE` once before, on a machine with network, so that the environment exists.
set -euo pipefail

NNODES=$SLURM_NNODES
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000)) # two jobs may share a machine
export NNODES MASTER_ADDR MASTER_PORT

# NODE_RANK differs between machines, so it is read there.
# shellcheck disable=SC2016
exec srun --kill-on-bad-exit=1 bash -c 'NODE_RANK=$SLURM_NODEID exec ./launch.sh "$@"' launch "$@"
