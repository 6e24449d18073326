"""How processes start that a loader or a pool makes, and how many threads they may use."""

from __future__ import annotations

import logging
import multiprocessing
import os

__all__ = ["set_multi_processing"]

logger = logging.getLogger("engine.runner")


def set_multi_processing(
    mp_start_method: str | None = "fork",
    opencv_num_threads: int | None = 0,
    distributed: bool = False,
) -> None:
    """Set how processes start, and how many threads libraries use.

    Parameters
    ----------
    mp_start_method : str, optional
        ``fork``, ``spawn`` or ``forkserver``; None leaves it. Where the system has no ``fork``, that
        is left out.
    opencv_num_threads : int, optional
        The threads of OpenCV, where it is installed: 0 is none beside the caller's; None leaves it.
    distributed : bool
        Whether the process is one of several on a machine: without a word of the environment, OpenMP
        and MKL then use one thread each (``OMP_NUM_THREADS``, ``MKL_NUM_THREADS``).

    Raises
    ------
    ValueError
        If the system has no such way to start.
    """
    current = multiprocessing.get_start_method(allow_none=True)
    if mp_start_method == "fork" and "fork" not in multiprocessing.get_all_start_methods():
        logger.info("this system forks no processes; they start by its own way")  # Windows
    elif mp_start_method is not None and current != mp_start_method:
        if current is not None:
            logger.info("processes start by %r instead of %r", mp_start_method, current)
        multiprocessing.set_start_method(mp_start_method, force=True)
    if opencv_num_threads is not None:
        _set_opencv_threads(opencv_num_threads)
    if distributed:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            if name not in os.environ:
                os.environ[name] = "1"
                logger.info("%s is 1, so that processes do not take each other's cores", name)


def _set_opencv_threads(number: int) -> None:
    try:
        import cv2  # optional: only where the user's transforms bring it
    except ImportError:
        return
    cv2.setNumThreads(number)
