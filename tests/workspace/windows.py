"""What Python lacks on Windows, taken from a process of the system at hand.

It stands for what a read of the code cannot show: that nothing is imported or called there which
that system does not have.  Paths, and what the system does with open files, it cannot stand for.
"""

from __future__ import annotations

from pathlib import Path

from tests.workspace.blocked import printed_by

#: modules of the standard library that only POSIX systems have
MODULES = ("fcntl", "grp", "posix", "pwd", "resource", "syslog", "termios")

#: goes first: what torch imports on Windows is not ours to answer for
TORCH = """
import torch.distributed.checkpoint, torch.multiprocessing, torch.utils.data
"""
_PREAMBLE = f"""
import errno, faulthandler, multiprocessing, os, signal, sys
import asyncio, multiprocessing.connection, multiprocessing.reduction, shutil, subprocess, tempfile

usage = shutil.disk_usage(os.curdir)
shutil.disk_usage = lambda path: usage  # which has a way of its own there

for name in {MODULES}:
    sys.modules[name] = None

for holder, names in {{
    os: (
        "fork getuid geteuid getgid getpgid getpgrp killpg setsid sysconf register_at_fork mkfifo"
        " memfd_create sched_getaffinity statvfs uname chown wait4 getloadavg"
        " O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK MFD_CLOEXEC"
    ),
    signal: "SIGALRM SIGHUP SIGKILL SIGUSR1 SIGUSR2 SIGCHLD ITIMER_REAL setitimer alarm",
    faulthandler: "register unregister",
    multiprocessing.reduction: "DupFd",
}}.items():
    for name in names.split():
        if hasattr(holder, name):
            delattr(holder, name)

def kill(pid, number, _kill=os.kill):
    assert number, "0 is Ctrl-C there: it ends what it is to ask for"
    _kill(pid, number)

def fsync(descriptor, _fsync=os.fsync):
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        os.write(descriptor, b"")  # the C library there flushes what can be written only
    except OSError as error:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from error
    _fsync(descriptor)

def start(self, *args, _start=subprocess.Popen.__init__, **options):
    assert not options.get("pass_fds"), "pass_fds not supported on Windows."
    _start(self, *args, **options)

def open_there(file, *args, _open=open, **options):
    if str(file).startswith("/proc/"):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    return _open(file, *args, **options)

def set_start_method(method, force=False, _set=multiprocessing.set_start_method):
    if method not in (None, "spawn"):
        raise ValueError(f"cannot find context for {{method!r}}")
    _set(method, force=force)

def stat_there(path, *args, _stat=os.stat, **options):
    if str(path).startswith("/proc/"):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return _stat(path, *args, **options)

import builtins, io
multiprocessing.get_all_start_methods = lambda: ["spawn"]
multiprocessing.set_start_method, os.stat = set_start_method, stat_there
os.kill, os.fsync, subprocess.Popen.__init__ = kill, fsync, start
builtins.open = io.open = open_there
sys.platform = "win32"
"""


def run_as_on_windows(code: str, cwd: Path, first: str = "") -> str:
    """Return what the code prints in such a process; raise with its error output if it fails.

    What is to be imported ``first`` finds the whole system.
    """
    return printed_by(first + _PREAMBLE + code, cwd)
