"""The benchmark's plan: what is started, what is measured in which order, what is written."""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

import emptying
import ledger
import peers
import processes
import report
import sessions
import workloads
from processes import BenchError

PAGE = "docs/performance-results.md"
# Workloads that are no load of equal requests for a time.
OTHERS = {
    workloads.IDLE: workloads.measure_idle,
    workloads.SYSCALLS: workloads.measure_syscalls,
    workloads.INSTRUCTIONS: sessions.measure_instructions,
    workloads.STICKY: sessions.measure_sticky,
    workloads.LEDGER: ledger.measure_ledger,
    workloads.EMPTYING: emptying.measure_emptying,
}


@dataclasses.dataclass
class Site:
    """What all proxies of a run share."""

    binary: str
    # The back end's program, which is also the client with a clock, and the back end.
    upstream: str
    upstream_pid: int
    work: str
    backends: tuple
    log_socket: str
    file_limit: int
    connections: int


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--binary", help="the cattail to measure; default: built with profile dist")
    parser.add_argument("--workloads", default=",".join(workloads.ALL), help="which, with commas: %(default)s")
    parser.add_argument("--targets", default=",".join(peers.ALL), help="which, with commas: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per workload, targets in turn: %(default)s")
    parser.add_argument("--seconds", type=int, default=4, help="of load per round and target: %(default)s")
    parser.add_argument("--idle-clients", type=int, default=10_000, help="of workload D: %(default)s")
    parser.add_argument("--pairs", type=int, default=5, help="of workload sticky: %(default)s")
    parser.add_argument("--sessions", type=int, default=1_000_000, help="of workloads ledger and emptying, an even number: %(default)s")
    parser.add_argument("--browsers", type=int, default=ledger.BROWSERS, help="of workload ledger: %(default)s")
    parser.add_argument("--smoke", action="store_true", help="one second each: to see that it works")
    parser.add_argument("--assert", dest="check", action="store_true", help="fail when a bound is missed")
    parser.add_argument("--update-docs", action="store_true", help=f"put the tables into {PAGE}")
    parser.add_argument("--upstream", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--output", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.smoke and (options.check or options.update_docs):
        parser.error("figures of --smoke mean nothing: neither --assert nor --update-docs")
    options.warm_up, options.idle_seconds, options.counted_requests = 1, 5, (1_000, 5_000)
    options.step_seconds = 4
    if options.smoke:
        options.rounds, options.seconds, options.idle_clients, options.idle_seconds = 1, 1, 200, 1
        options.pairs, options.counted_requests, options.sessions, options.browsers = 1, (100, 300), 20_000, 200
        options.step_seconds = 1
    if options.sessions < 2 or options.sessions % 2:
        parser.error("--sessions: half of them are each backend's")
    options.workloads = _choice(parser, options.workloads, workloads.ALL)
    options.targets = _choice(parser, options.targets, peers.ALL)
    return options


def _choice(parser, text, known):
    chosen = text.split(",")
    for name in chosen:
        if name not in known:
            parser.error(f"unknown: {name}; known: {', '.join(known)}")
    return chosen


def main():
    """Runs what the command line says."""
    options = arguments()
    # So that `finally` runs, and nothing that was started stays.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    if (os.cpu_count() or 1) < 2:
        raise BenchError("two CPUs are needed: one for the proxy, one for the rest")
    limit = processes.raise_file_limit()
    work = tempfile.mkdtemp(prefix="cattail-bench.")
    try:
        log_socket = os.path.join(work, "log.sock")
        upstream, ports = start_upstream(options.upstream, work, log_socket)
        site = Site(options.binary, options.upstream, upstream.pid, work, ports, log_socket, limit, min(16_384, limit - 1_000))
        results = measure(site, options)
    finally:
        processes.stop_all()
        shutil.rmtree(work, ignore_errors=True)
    return publish(results, options)


def start_upstream(binary, work, log_socket):
    """Starts the back end of all proxies; it, and its two ports."""
    process = processes.start(
        [binary, log_socket], processes.OTHER_CPU, os.path.join(work, "upstream.log"), stdout=subprocess.PIPE, text=True
    )
    ports = process.stdout.readline().split()
    if len(ports) != 2:
        raise BenchError("the back end did not start")
    return process, tuple(int(port) for port in ports)


def measure(site, options):
    """All workloads; each table is printed as soon as it is known."""
    results = {}
    for name in options.workloads:
        if name in OTHERS:
            rows = OTHERS[name](site, options)
        else:
            rows = workloads.measure_load(workloads.LOADS[name], site, options)
        results[name] = rows
        print(report.table(name, rows), end="\n\n", flush=True)
    return results


def publish(results, options):
    """Writes the results; the exit code."""
    text = "\n\n".join(report.table(name, rows) for name, rows in results.items())
    bounds, kept = report.bounds(results)
    if bounds:
        print(bounds, end="\n\n")
        text = f"{bounds}\n\n{text}"
    text = f"{conditions(options)}\n\n{text}"
    report.save(options.output, "results.json", json.dumps(results, indent=1))
    print("written to", report.save(options.output, "results.md", text))
    if options.update_docs:
        report.update_page(PAGE, text)
        print("written to", PAGE)
    return 1 if options.check and not kept else 0


def conditions(options):
    """One line on where and how."""
    versions = [
        _first_line([*command]) for command in (("nginx", "-v"), ("haproxy", "-v"), ("wrk", "-v"))
    ]
    return (
        f"{os.cpu_count()} CPUs ({_cpu_model()}), Linux {platform.release()}, {', '.join(versions)}; "
        f"rounds: {options.rounds} of {options.seconds} s per target, medians."
    )


def _first_line(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words = (done.stdout + done.stderr).splitlines()[0].split()
    number = next((w for w in words if any(c.isdigit() for c in w)), "?")
    return f"{command[0]} {number.rpartition('/')[2].partition('-')[0]}"


def _cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"FAILED: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
