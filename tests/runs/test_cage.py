"""A local cluster's processes: nothing outside reaches them, and they die with the launcher."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from dfar_tf.runs import cage, cluster_launch
from dfar_tf.runs.cage import NoNamespace, caged, own_network
from recommenders_utils.errors import UserError

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
SERVER = """
import socket
server = socket.socket()
server.bind(("0.0.0.0", 0))
server.listen(5)
print(server.getsockname()[1], flush=True)
while True:
    server.accept()
"""
CLIENT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"
# Starts a caged process in a session of its own, as ``Processes`` does, and waits.
LAUNCHER = f"""
import subprocess, sys, time
sys.path.insert(0, {os.path.dirname(cage.__file__)!r})
from cage import caged
sleeper = subprocess.Popen(caged(["sleep", "600"]), start_new_session=True)
time.sleep(1)
print(sleeper.pid, flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def network():
    """A namespace's handles; skips where the system allows none."""
    with contextlib.ExitStack() as stack:
        try:
            handles = stack.enter_context(own_network())
        except NoNamespace as error:
            pytest.skip(f"cannot be checked: this system allows no network namespace ({error})")
        yield handles


@contextlib.contextmanager
def server(handles):
    """The port of a server on all addresses, in namespaces or not."""
    process = subprocess.Popen(
        caged([sys.executable, "-c", SERVER], handles), stdout=subprocess.PIPE, pass_fds=handles
    )
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def addresses():
    """Loopback, and the address by which this machine would reach others, if it has one."""
    found = ["127.0.0.1"]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_one:
        any_one.connect(("192.0.2.1", 9))  # sends nothing
        found.append(any_one.getsockname()[0])
    return found


def reached(port):
    """The addresses of this machine at which somebody listens on a port."""
    found = []
    for address in addresses():
        with contextlib.suppress(OSError), socket.create_connection((address, port), 2):
            found.append(address)
    return found


@linux
def test_nothing_outside_reaches_a_server_and_its_own_do():
    with server(()) as port:
        assert reached(port) == addresses()  # as it was: on every interface
    with network() as handles, server(handles) as port:
        assert reached(port) == []
        client = caged([sys.executable, "-c", CLIENT, str(port)], handles)
        assert subprocess.run(client, pass_fds=handles, check=False).returncode == 0


@linux
def test_files_are_written_as_the_user(tmp_path):
    with network() as handles:
        command = caged(["touch", str(tmp_path / "made")], handles)
        assert subprocess.run(command, pass_fds=handles, check=False).returncode == 0
    assert os.stat(str(tmp_path / "made")).st_uid == os.getuid()


@linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP])
def test_processes_die_with_the_launcher(how):
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(
            signal.SIGHUP, signal.SIG_DFL
        ),  # under nohup it is ignored
    )
    sleeper = int(launcher.stdout.readline())
    with open(f"/proc/{sleeper}/cmdline") as stream:
        assert stream.read().startswith("sleep")
    launcher.send_signal(how)
    launcher.communicate(timeout=120)
    until = time.monotonic() + 10
    while os.path.exists(f"/proc/{sleeper}/cmdline") and time.monotonic() < until:
        with open(f"/proc/{sleeper}/stat") as stream:
            if stream.read().rsplit(")", 1)[1].split()[0] == "Z":  # dead, and nobody has asked
                return
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{sleeper}")


def test_without_a_namespace_the_user_is_asked_for_expose(monkeypatch):
    @contextlib.contextmanager
    def refused():
        raise NoNamespace("Operation not permitted")
        yield

    monkeypatch.setattr(cluster_launch, "own_network", refused)
    refusal = pytest.raises(UserError, match=r"\(Operation not permitted\).*Add --expose")
    with refusal, cluster_launch._network(False, print):
        pass
    lines = []
    with cluster_launch._network(True, lines.append) as handles:
        assert handles == ()
    assert "do not authenticate clients" in lines[0]


def test_a_hangup_ends_the_launcher_as_an_interrupt_does():
    with pytest.raises(KeyboardInterrupt), cluster_launch._hangup_interrupts():
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(5)


def test_a_clock_set_back_does_not_make_the_evaluator_sleep(monkeypatch):
    from dfar_tf.estimator.cluster.training import steady_clock
    from recommenders_utils.backend import tf

    module = sys.modules[tf.estimator.train_and_evaluate.__module__]
    assert module.time is time
    with steady_clock():
        begun = module.time.time()
        monkeypatch.setattr(time, "time", lambda: 0.0)
        assert 0 <= module.time.time() - begun < 60
    assert module.time is time
