"""Take from this process all that it does not need: Linux's seccomp, from now on and for good.

What is left is to compute, and to read and write the files that are open already.  No file can be
opened, looked up or removed, no socket made, no program or process started, no signal sent.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

from engine_dist.checkpoint.errors import SandboxError

__all__ = ["lock_down"]

# what is still allowed, by number on x86-64 and on 64-bit ARM; all else fails with EPERM
_ALLOWED = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66),
    "sched_yield": (24, 124), "mremap": (25, 216), "madvise": (28, 233), "nanosleep": (35, 101),
    "getpid": (39, 172), "exit": (60, 93), "fsync": (74, 82), "ftruncate": (77, 46),
    "getrusage": (98, 165), "sigaltstack": (131, 132), "gettid": (186, 178), "futex": (202, 98),
    "sched_getaffinity": (204, 123), "restart_syscall": (219, 128), "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115), "exit_group": (231, 94), "getrandom": (318, 278),
}  # fmt: skip
# machine → (column of the table, audit number, number of the call seccomp)
_MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF: load a word, jump if equal, return
_KILL, _DENY, _ALLOW = 0x80000000, 0x00050000 | 1, 0x7FFF0000  # 1 is EPERM
_NO_NEW_PRIVILEGES, _SET_FILTER, _ALL_THREADS = 38, 1, 1


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def known_machine() -> tuple[int, int, int]:
    """Return how this machine's system calls are told apart.

    Raises
    ------
    SandboxError
        Where the system has no sandbox.
    """
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in _MACHINES:
        raise SandboxError(
            f"no sandbox is known for {sys.platform} on {machine}: it needs Linux on "
            f"{' or '.join(_MACHINES)}; convert the file on such a machine"
        )
    return _MACHINES[machine]


def lock_down(file_size: int, memory: int) -> None:
    """Give up all but some memory and open files.

    Parameters
    ----------
    file_size
        Bytes that a file can grow to.
    memory
        Bytes that the process can take beyond what it has.

    It holds for every thread of the process, and nothing takes it back.

    Raises
    ------
    SandboxError
        Where the system has no such thing.
    """
    column, audit, call = known_machine()
    import resource  # is not there on Windows

    most = _address_space() + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = _filter(audit, [numbers[column] for numbers in _ALLOWED.values()])
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    done = libc.prctl(_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero)
    if done == 0:
        done = libc.syscall(ctypes.c_long(call), _SET_FILTER, _ALL_THREADS, ctypes.byref(program))
    if done != 0:
        raise SandboxError(
            f"the kernel refuses to lock the process down ({os.strerror(ctypes.get_errno())}): "
            "convert the file on a machine, or in a container, that has seccomp filters"
        )


def _address_space() -> int:
    """Return how many bytes the process has; libraries may map far more than they use."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _filter(audit: int, allowed: list[int]) -> bytes:
    """Return the BPF program: another architecture's calls kill, other calls than these fail."""
    steps = [
        (_LOAD, 0, 0, 4),  # the architecture
        (_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # the call's number
        *((_EQUAL, len(allowed) - i, 0, number) for i, number in enumerate(allowed)),
        (_RETURN, 0, 0, _DENY),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
