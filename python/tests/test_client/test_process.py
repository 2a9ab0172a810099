"""What is known of a process of this machine."""

import os
import socket
import subprocess
import sys
import time

from metaflow_core.client import process


def _heartbeat(pid, at=None, host=None):
    at = time.time() if at is None else at
    return {"pid": pid, "at": at, "host": host or socket.gethostname()}


def test_this_process_uses_time_and_memory_and_lives():
    used = process.usage(os.getpid())

    assert used is not None
    assert used.cpu_s > 0
    assert used.memory_bytes > 1_000_000
    assert process.is_alive(_heartbeat(os.getpid())) is True


def test_a_process_that_has_ended_is_gone_also_before_it_is_waited_for():
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert process.usage(child.pid) is None
    assert process.is_alive(_heartbeat(child.pid)) is False
    child.communicate()


def test_another_process_with_the_same_id_is_not_the_one_that_sent_the_heartbeat():
    assert process.is_alive(_heartbeat(os.getpid(), at=1_000_000.0)) is False


def test_of_another_machine_nothing_is_known():
    assert process.is_alive(_heartbeat(2**22 + 1, host="elsewhere")) is None


def test_the_process_of_a_worker_is_in_its_name():
    assert process.pid_of("pid 123") == 123
    assert process.pid_of("") is None
