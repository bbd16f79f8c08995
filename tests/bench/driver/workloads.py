"""What is measured, one function per kind of workload. Each returns rows: target -> list of measurements."""

import dataclasses
import os
import re
import signal
import statistics
import time

import client
import peers
import processes
from processes import BenchError


@dataclasses.dataclass(frozen=True)
class Load:
    """A load of equal requests for a time."""

    title: str
    path: str
    size: int
    connections: int
    fields: tuple = ()
    access_log: str = "off"
    # How it comes: plain, by "tls", or by HTTP/2 over TLS ("h2").
    by: str = "plain"


LOADS = {
    "A": Load("1 KB, 64 kept-alive connections", "/1k", 1024, 64),
    "A15": Load("A with a browser's 16 header fields", "/1k", 1024, 64, client.BROWSER_FIELDS),
    "Alog": Load("A with the access log on", "/1k", 1024, 64, (), "on"),
    "B64k": Load("64 KB, 32 kept-alive connections", "/64k", 65536, 32),
    "B1m": Load("1 MB, 16 kept-alive connections", "/1m", 1048576, 16),
    "K": Load("1 KB, 64 connections, a new one per request", "/1k", 1024, 64, ("Connection: close",)),
    "T": Load("A by TLS 1.3", "/1k", 1024, 64, by="tls"),
    "TK": Load("K by TLS 1.3: a full handshake per request, P-256", "/1k", 1024, 64, ("Connection: close",), by="tls"),
    "T2": Load("1 KB by HTTP/2 and TLS 1.3, 8 connections of 32 streams", "/1k", 1024, 8, by="h2"),
}
IDLE, SYSCALLS = "D", "syscalls"
# Of Cattail alone: modules of their own.
INSTRUCTIONS, STICKY, LEDGER, EMPTYING = "instructions", "sticky", "ledger", "emptying"
ALL = (*LOADS, IDLE, SYSCALLS, INSTRUCTIONS, STICKY, LEDGER, EMPTYING)

# The calls that move a request's and an answer's bytes.
DATA_CALLS = (
    "read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg", "recvmmsg", "sendmmsg", "sendfile", "splice",
)


def measure_load(load, site, options):
    """CPU time per request, rate and latency; the targets take turns, so that a slow minute of the host hits all."""
    running = [peers.Proxy(name, site, peers.Settings(access_log=load.access_log, secure=load.by != "plain")) for name in options.targets]
    rows = {proxy.name: [] for proxy in running}
    try:
        for proxy in running:
            ask(proxy, load, options.warm_up)
        for _ in range(options.rounds):
            for proxy in running:
                proxy.check(load.path, load.size)
                rows[proxy.name].append(one_run(proxy, load, options.seconds))
    finally:
        for proxy in running:
            proxy.stop()
    if load.access_log == "on":
        for proxy in running:
            proxy.check_access_log(sum(row["requests"] for row in rows[proxy.name]))
    return rows


def one_run(proxy, load, seconds, **options):
    """What a load cost a proxy; the options are those of `client.wrk`."""
    before, started = processes.cpu_ns(proxy.pid), time.monotonic_ns()
    result = ask(proxy, load, seconds, **options)
    used, wall = processes.cpu_ns(proxy.pid) - before, time.monotonic_ns() - started
    return {
        "cpu_us": used / 1000 / result["requests"],
        "requests": result["requests"],
        "rate": result["requests"] * 1e6 / result["duration_us"],
        "p50_us": result["p50_us"],
        "p99_us": result["p99_us"],
        "core": 100 * used / wall,
        "rss_mb": processes.rss_bytes(proxy.pid) / 1e6,
    }


def ask(proxy, load, seconds, **options):
    """Puts a load on a proxy; what its client measured."""
    if load.by == "h2":
        return client.h2load(proxy.secure_port, load.path, load.connections, seconds)
    port = proxy.secure_port if load.by == "tls" else proxy.port
    return client.wrk(port, load.path, load.connections, seconds, load.fields, scheme="https" if load.by == "tls" else "http", **options)


def measure_idle(site, options):
    """Memory per client that made one request and stays."""
    count = min(options.idle_clients, site.connections - 500)
    if count < options.idle_clients:
        print(f"note: only {count} idle clients, for want of file descriptors (ulimit -n)", flush=True)
    rows = {}
    for name in options.targets:
        proxy = peers.Proxy(name, site)
        clients = []
        try:
            proxy.check("/1k", 1024)
            before = processes.rss_bytes(proxy.pid)
            clients = client.idle_clients(proxy.port, count)
            time.sleep(options.idle_seconds)
            after = processes.rss_bytes(proxy.pid)
            closed = sum(not c.is_open() for c in clients)
            if closed:
                raise BenchError(f"{name} closed {closed} of {count} idle clients")
        finally:
            for one in clients:
                one.socket.close()
            proxy.stop()
        rows[name] = [{
            "before_mb": before / 1e6,
            "after_mb": after / 1e6,
            "kib": (after - before) / 1024 / count,
            "count": count,
        }]
    return rows


def measure_syscalls(site, options):
    """Data system calls per request, counted by strace from start to end; the start's own few do not show."""
    rows = {}
    for name in options.targets:
        counts_file = os.path.join(site.work, f"strace-{name}")
        wrapper = ("strace", "-f", "-c", "--seccomp-bpf", "-U", "name,calls", "-e", "trace=" + ",".join(DATA_CALLS), "-o", counts_file)
        proxy = peers.Proxy(name, site, wrapper=wrapper)
        try:
            result = client.wrk(proxy.port, "/1k", 64, options.seconds)
        finally:
            _stop_traced(proxy)
        calls = _calls(counts_file)
        rows[name] = [{
            "per_request": sum(calls.values()) / result["requests"],
            "requests": result["requests"],
            **{call: count / result["requests"] for call, count in calls.items()},
        }]
    return rows


def _stop_traced(proxy):
    """Ends what strace runs, so that strace ends by itself and writes its counts."""
    for pid in processes.tree(proxy.pid)[1:]:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    try:
        processes.wait_until(lambda: proxy.process.poll() is not None, 15, f"strace of {proxy.name} to end")
    finally:
        proxy.stop()


def _calls(path):
    with open(path, encoding="utf-8") as file:
        found = dict(re.findall(r"^\s*(\w+)\s+(\d+)\s*$", file.read(), re.MULTILINE))
    return {name: int(count) for name, count in found.items() if name in DATA_CALLS}


def median(rows, key):
    """The middle of the rounds."""
    return statistics.median(row[key] for row in rows)
