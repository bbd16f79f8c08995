"""Measures what checks of many backends cost the proxy, by the way in which they are asked."""

import argparse
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import backends
from free_ports import free_port

# Way -> (keys of the section `health`, what each backend answers, the most of one core in percent for 1,000 backends
# asked every 2 s). Where each question needs a connection, most of it is the kernel's.
WAYS = {
    "none": ("", backends.KEPT, 3.0),
    "http": ("path: /alive", backends.KEPT, 3.0),
    "http, body": ("path: /alive, expect: { body: UP }", backends.KEPT, 3.0),
    "http, closed": ("path: /alive", backends.CLOSED, 4.0),
    "tcp": ("type: tcp", backends.SILENT, 4.0),
    "agent": ("agent: { port: PORT, interval: 2s }", backends.AGENT, 4.0),
}


class Failure(Exception):
    """What makes a figure worthless."""


def main():
    options = arguments()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{options.backends} backends, each asked every 2 s; {options.rounds} rounds of {options.seconds} s; medians")
    print("| way | CPU of `background`, % of a core | min-max | us per question | questions |")
    print("|---|---|---|---|---|")
    missed = []
    for way, (health, answer, most) in WAYS.items():
        with backends.Backends(options.backends, answer) as many:
            shares, questions = measure(options, health, many)
        share, asked = statistics.median(shares), sum(questions) / len(questions)
        each = f"{share * options.seconds * 10_000 / asked:.1f}" if asked else "-"
        print(f"| {way} | {share:.2f} | {min(shares):.2f}-{max(shares):.2f} | {each} | {asked:.0f} |", flush=True)
        if share > most:
            missed.append(f"{way} ({most} %)")
    if options.check and missed:
        raise Failure(f"more of a core than its bound: {', '.join(missed)}")


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests/bench/checks", description=__doc__)
    parser.add_argument("--backends", type=int, default=1000, help="how many: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="of each way: %(default)s")
    parser.add_argument("--seconds", type=float, default=10, help="of each round: %(default)s")
    parser.add_argument("--binary", required=True, help="the cattail to measure; default: built with profile dist")
    parser.add_argument("--smoke", action="store_true", help="fewer backends, for a moment")
    parser.add_argument("--assert", dest="check", action="store_true", help="fail when the bound is missed")
    options = parser.parse_args()
    if options.smoke:
        if options.check:
            parser.error("figures of --smoke mean nothing")
        options.backends, options.rounds, options.seconds = 50, 1, 2.5
    if not 1 <= options.backends <= 5000:
        parser.error("1 to 5000 backends")
    return options


def measure(options, health, many):
    """Shares of a core in percent, and questions that the backends saw, of each round."""
    with tempfile.TemporaryDirectory(prefix="cattail-checks-") as folder:
        path = os.path.join(folder, "cattail.yaml")
        with open(path, "w", encoding="ascii") as file:
            file.write(configuration(health, many))
        log = os.path.join(folder, "log")
        with open(log, "wb") as output:
            proxy = subprocess.Popen(
                [options.binary, "run", "--config", path], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            # All have been asked once, and connections stand.
            settle(proxy, options, health, many)
            shares, questions = [], []
            for _ in range(options.rounds):
                asked, spent, began = many.questions(), cpu_ns(proxy.pid), time.monotonic_ns()
                time.sleep(options.seconds)
                spent = cpu_ns(proxy.pid) - spent
                shares.append(100 * spent / (time.monotonic_ns() - began))
                questions.append(many.questions() - asked)
            judge(options, health, many, questions)
            return shares, questions
        except Failure:
            with open(log, encoding="utf-8", errors="replace") as file:
                sys.stderr.writelines(file.readlines()[-10:])
            raise
        finally:
            proxy.send_signal(signal.SIGTERM)
            try:
                proxy.wait(10)
            except subprocess.TimeoutExpired:
                proxy.kill()
                proxy.wait(10)


def configuration(health, many):
    """One cluster of all backends."""
    health = health.replace("PORT", str(many.port))
    names = (f"      - {{ name: b{n}, address: '{address}:{many.port}' }}\n" for n, address in enumerate(many.addresses))
    return (
        "workers: 1\n"
        f"listeners: [{{ address: '127.0.0.1:{free_port()}' }}]\n"
        "admin: off\n"
        "clusters:\n  many:\n    affinity: none\n"
        f"    health: {{ {health}{', ' if health else ''}interval: 2s }}\n"
        "    backends:\n" + "".join(names)
    )


def settle(proxy, options, health, many):
    """Waits until every backend has been asked."""
    deadline = time.monotonic() + 60
    while health and many.questions() < 2 * options.backends:
        if proxy.poll() is not None or time.monotonic() > deadline:
            raise Failure("not all backends were asked")
        time.sleep(0.1)
    time.sleep(1)


def judge(options, health, many, questions):
    """The work was done: each backend was asked at its pace, no more and no less."""
    if many.failures():
        raise Failure(f"backends failed: {many.failures()[0]}")
    # Checks come early by up to a tenth, and one more may fall into a round.
    due = options.backends * options.seconds / 2 if health else 0
    for asked in questions:
        if not 0.9 * due - options.backends * 0.1 <= asked <= 1.25 * due + options.backends * 0.1:
            raise Failure(f"asked {asked} times where {due:.0f} were due")


def cpu_ns(pid):
    """Time on a CPU so far of the thread that asks."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as file:
            if file.read().strip() == "background":
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    return int(file.read().split()[0])
    raise Failure("the proxy has no thread named background")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
