"""Processes of the benchmark: started on their CPUs, measured through /proc, ended by their id."""

import os
import resource
import signal
import subprocess
import time

PROXY_CPU = {0}
OTHER_CPU = {1}
BOTH_CPUS = PROXY_CPU | OTHER_CPU


class BenchError(Exception):
    """What makes a figure worthless; the benchmark ends with it."""


_started = []


def raise_file_limit():
    """Lets every child open as many files as this system allows without asking for more rights."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def start(command, cpus, log, **options):
    """Starts a command on these CPUs alone; its output goes to the file `log`."""

    def pin():
        os.sched_setaffinity(0, cpus)

    with open(log, "ab") as output:
        options.setdefault("stdout", output)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=output, preexec_fn=pin, **options
        )
    _started.append(process)
    return process


def stop(process):
    """Asks the process to end, then makes it; returns its status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            # What it started dies with it or is found by its id: nginx's worker, strace's child.
            for pid in tree(process.pid):
                _kill(pid)
            process.wait(10)
    return process.returncode


def stop_all():
    """Ends whatever still runs, whichever way the benchmark itself came to its end."""
    for process in _started:
        stop(process)


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def tree(root):
    """The process and all that descend from it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent = _parent(name)
            children.setdefault(parent, []).append(int(name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, []))
    return found


def _parent(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            # The name stands in brackets and may hold anything; the parent is the second field after it.
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def cpu_ns(root):
    """Time on a CPU so far, of every thread of the whole tree."""
    total = 0
    for pid in tree(root):
        for task in tasks(pid):
            try:
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
            except OSError:
                continue
    return total


def cpu_ns_by_thread(pid):
    """Time on a CPU so far, by the names of a process's threads."""
    found = {}
    for task in tasks(pid):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
            name = file.read().strip()
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            found[name] = found.get(name, 0) + int(file.read().split()[0])
    return found


def tasks(pid):
    """The threads of a process."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def before_all_others(*pids):
    """Lets these, and what they start from now on, run before whatever else wants the CPUs, where we may.

    Among each other they run as they are ready, and none is interrupted for another: who works for long holds up the rest.
    """
    try:
        for pid in pids:
            for task in tasks(pid):
                os.sched_setscheduler(task, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        print("note: no right to run before other programs (SCHED_RR): their work shows as pauses", flush=True)


def as_all_others(*pids):
    """The end of that."""
    for pid in pids:
        for task in tasks(pid):
            os.sched_setscheduler(task, os.SCHED_OTHER, os.sched_param(0))


def rss_bytes(root):
    """Resident memory of the whole tree; pages that two processes share count twice."""
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                for line in file:
                    if line.startswith("VmRSS:"):
                        total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


def wait_until(condition, seconds, what):
    """Polls a condition up to a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.05)
