"""Slurm is asked to start a job again."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Mapping

__all__ = ["job_id", "requeue"]

logger = logging.getLogger("engine.runner")

_PATIENCE = 60.0  # seconds for an answer


def job_id(environment: Mapping[str, str]) -> str | None:
    """Return the job that this process is of, of an array this task of it alone; None without Slurm.

    >>> job_id({"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "9", "SLURM_ARRAY_TASK_ID": "3"})
    '9_3'
    """
    array, task = (environment.get(f"SLURM_ARRAY_{part}_ID") for part in ("JOB", "TASK"))
    return f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID")


def requeue() -> bool:
    """Ask for it, and tell whether that went well; a failure is logged."""
    job = job_id(os.environ)
    if job is None:
        logger.warning("not requeued: this process is of no job of Slurm (no SLURM_JOB_ID)")
        return False
    command = ["scontrol", "requeue", job]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.error("not requeued: %s: %s", " ".join(command), error)
        return False
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        logger.error("not requeued: %s: status %d: %s", " ".join(command), done.returncode, said)
        return False
    logger.warning("requeued: %s", " ".join(command))
    return True
