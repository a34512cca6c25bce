"""A network of their own for the processes of a cluster on this machine, and their end with the launcher.

TensorFlow's servers listen on all addresses of a machine, and run what they are sent by anyone. In a
network namespace (Linux) that has loopback only, nothing but the cluster's own processes reaches them.

This file is run as a program too, with the standard library alone: ``make`` a namespace, or ``enter`` it.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys

NEW_USER, NEW_NET = 0x10000000, 0x40000000  # of Linux's clone(2)
_SET_FLAGS, _UP, _RUNNING = 0x8914, 0x1, 0x40  # of netdevice(7)
_PARENT_DEATH_SIGNAL = 1  # of prctl(2)


class NoNamespace(Exception):
    """The system does not allow one, and why."""


@contextlib.contextmanager
def own_network():
    """A new network namespace with loopback only, which lasts as long as the context and what is in it.

    Yields:
      Handles of the namespaces to enter: of users, where it took one, and of the network.

    Raises:
      NoNamespace: the system has none or does not allow it.
    """
    maker = subprocess.Popen(
        [sys.executable, "-S", os.path.abspath(__file__), "make"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    handles = []
    try:
        kinds = maker.stdout.readline().split()
        if not kinds or kinds[0] != "made":
            raise NoNamespace(" ".join(kinds[1:]) or "it cannot be made")
        for kind in kinds[1:]:
            handles.append(os.open(f"/proc/{maker.pid}/ns/{kind}", os.O_RDONLY))
        maker.communicate("")  # ends it; the handles keep the namespaces
        yield tuple(handles)
    finally:
        maker.kill()
        maker.communicate()
        for handle in handles:
            os.close(handle)


def caged(command, handles=()):
    """A command that is run in namespaces and is killed when this process dies; see ``own_network``."""
    words = [sys.executable, "-S", os.path.abspath(__file__), "enter", str(os.getpid())]
    return [*words, ",".join(map(str, handles)), *command]


def _make():
    libc, last = ctypes.CDLL(None, use_errno=True), ""
    uid, gid = os.getuid(), os.getgid()
    for flags, kinds in ((NEW_NET, "net"), (NEW_USER | NEW_NET, "user net")):
        if not hasattr(libc, "unshare"):
            last = "no such system call"
        elif libc.unshare(flags):
            last = os.strerror(ctypes.get_errno())
        else:
            try:
                if flags & NEW_USER:
                    for name, text in (
                        ("setgroups", "deny"),
                        ("uid_map", f"{uid} {uid} 1"),
                        ("gid_map", f"{gid} {gid} 1"),
                    ):
                        with open(f"/proc/self/{name}", "w", encoding="ascii") as stream:
                            stream.write(text)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                    request = struct.pack("16sh22x", b"lo", _UP | _RUNNING)
                    fcntl.ioctl(any_socket, _SET_FLAGS, request)
            except OSError as error:
                last = str(error)
                break
            print("made", kinds, flush=True)
            sys.stdin.read()
            return
    print("not", last, flush=True)


def _enter(launcher, handles, command):
    libc = ctypes.CDLL(None, use_errno=True)
    for handle in filter(None, handles.split(",")):
        if libc.setns(int(handle), 0):
            sys.exit(f"error: cannot enter the namespace: {os.strerror(ctypes.get_errno())}")
        os.close(int(handle))
    if hasattr(libc, "prctl"):
        libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(launcher):  # it died before
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        _make()
    else:
        _enter(sys.argv[2], sys.argv[3], sys.argv[4:])
