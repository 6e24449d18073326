#!/usr/bin/env bash
# The checks that need a GPU, in less than 8 minutes on one, from the checkout alone:
#
#     scripts/gpu_checks.sh [--out gpu_checks.json] [--seconds 470] [--only STAGE]...
#     scripts/gpu_checks.sh --dry-run      # a tiny model on the CPU: whether all of it runs
#
# Stages: the tests marked `gpu`; a GPT of about 100 million parameters in bfloat16, the engine
# against a loop written by hand in turns (seconds a step, model FLOPs utilisation, copies from the
# host and synchronisations an iteration by the profiler), eager and compiled; how long an
# asynchronous save holds training up; FSDP2 on one device.  The result is a JSON file that is
# written anew after every stage.  It ends with 1 where a stage failed or a goal was missed.
#
# Needs: bash, Python 3.10 or newer as python3 (or $PYTHON) with torch 2.6 or newer, built for CUDA,
# and what the packages need: numpy, addict, packaging, pyyaml, rich, typing-extensions, before Python 3.11
# tomli.  The tests need pytest and hypothesis; without these two they are skipped, and said to be.
# What is missing may lie in the folder .gpu_site of the checkout (pip install --target).
set -euo pipefail
cd "$(dirname "$0")/.."

paths=$(printf '%s:' packages/*/src)
export PYTHONPATH="$paths$PWD:$PWD/.gpu_site${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" -m benchmarks.gpu "$@"
