"""Checks on one GPU, a stage a file; `scripts/gpu_checks.sh` runs them and tells what they need."""
