"""A backend is emptied while a million sessions are remembered: whether any worker stands still for it.

Load as of a quiet site: requests at a steady rate over kept-alive connections, each with the id of another session; latency
counts from the moment that a request was due. Rounds with orders take turns with rounds without.
"""

import math
import os
import statistics
import subprocess
import time

import ledger
import peers
import processes
from processes import BenchError

RATE = 2_000
CONNECTIONS = 64
# As many sessions a second as can be told: all of them are marked at once.
UNLIMITED = (1 << 32) - 1
# Until an evacuation at once is over: what it waits for between its stages is 1 s each time.
EVACUATED_WITHIN = 8
# Between two looks at how it goes on, as the commands look.
LOOKS = 0.5
BEFORE, DURING = "before", "from drain to enable"
EVACUATED = "evacuate, no limit"
# What is ordered, in turn.
ORDERS = {
    "drain": {"state": "draining"},
    "evacuate, 50/s": {"state": "evacuating"},
    EVACUATED: {"state": "evacuating", "rate": UNLIMITED},
    "disable": {"state": "disabled"},
    "enable": {"state": "up", "restarted": True},
}
ORDERED, CALM = "ordered", "calm"


def measure_emptying(site, options):
    """One proxy of two workers, all of whose threads share one CPU, so that whatever one of them does holds up the others."""
    settings = peers.Settings(affinity="sticky", workers=2, ledger=max(peers.Settings.ledger, options.sessions), emptied=True)
    cpus = os.sched_getaffinity(0)
    proxy = peers.Proxy(peers.CATTAIL, site, settings)
    try:
        proxy.check("/1k", 1024)
        ledger.fill(proxy, options.sessions)
        for task in processes.tasks(proxy.pid):
            os.sched_setaffinity(task, processes.PROXY_CPU)
        # What we do here is beside the load, not beside the proxy.
        os.sched_setaffinity(0, processes.OTHER_CPU)
        processes.before_all_others(proxy.pid, site.upstream_pid, os.getpid())
        rows, first = {CALM: [], ORDERED: []}, 0
        for number in range(options.rounds):
            # In turn, so that there are always sessions to move.
            victim = f"/clusters/shop/backends/jvm{1 + number % 2}"
            for kind in rows:
                rows[kind].append(_round(site, proxy, options, (kind == ORDERED and victim, first)))
                # So that each round shows others.
                first += rows[kind][-1]["requests"]
        return rows
    finally:
        processes.as_all_others(site.upstream_pid, os.getpid())
        os.sched_setaffinity(0, cpus)
        proxy.stop()


def _plan(options):
    """What is to happen when: names and their seconds after the beginning, and the end."""
    at, plan = 0, {}
    for name in (BEFORE, *ORDERS):
        plan[name] = at
        at += max(options.step_seconds, EVACUATED_WITHIN if name == EVACUATED else 0)
    return plan, at


def _round(site, proxy, options, turn):
    """Load for some seconds; the latencies in each part of them. `turn`: who is emptied, if anybody, and the first session."""
    victim, first = turn
    plan, seconds = _plan(options)
    words = (proxy.port, RATE, seconds, CONNECTIONS, options.sessions, first % options.sessions)
    log = os.path.join(site.work, "pace.log")
    pace = processes.start(
        [site.upstream, "pace", *map(str, words)], processes.OTHER_CPU, log, stdout=subprocess.PIPE, text=True
    )
    try:
        if pace.stdout.readline() != "began\n":
            raise BenchError(f"the load did not begin:\n{_read(log)}")
        began, before = time.monotonic(), processes.cpu_ns_by_thread(proxy.pid)
        for name, order in ORDERS.items():
            stand = _look_until(began + plan[name], proxy, victim)
            if victim:
                if order["state"] == "disabled":
                    _expect_evacuated(stand)
                proxy.ask(f"{victim}/state", order)
        _look_until(began + seconds - LOOKS, proxy, victim)
        told = pace.stdout.read()
        after = processes.cpu_ns_by_thread(proxy.pid)
        if pace.wait(30) != 0:
            raise BenchError(f"a request failed:\n{_read(log)}")
    finally:
        processes.stop(pace)
    if victim:
        processes.wait_until(lambda: proxy.ask(victim)["state"] == "up", 10, f"{victim} to be up again")
    used = {name: after[name] - before.get(name, 0) for name in after}
    workers = sum(ns for name, ns in used.items() if name.startswith("worker-"))
    latencies = _latencies(told, plan)
    return {**latencies, "worker_us": workers / 1e3 / latencies["requests"], "other_ms": (sum(used.values()) - workers) / 1e6}


def _look_until(moment, proxy, victim):
    """Asks how it goes on, as `--wait` does, and says what was told last; without orders for nothing, so that asking costs the load the same."""
    while True:
        rest = moment - time.monotonic()
        time.sleep(max(0.0, min(rest, LOOKS)))
        stand = proxy.ask(victim or "/openapi.json")
        if rest <= LOOKS:
            return stand


def _expect_evacuated(stand):
    """Else the figures are of something else."""
    evacuation = stand["evacuation"]
    if evacuation["stage"] != "done" or not evacuation["moved"] or evacuation["lost"]:
        raise BenchError(f"it is not evacuated: {evacuation}")


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()[-2000:]


def _latencies(told, plan):
    """By part of the round."""
    parts = {name: [] for name in plan}
    ends = [*list(plan.values())[1:], math.inf]
    requests = 0
    for line in told.splitlines():
        due, latency = map(int, line.split())
        requests += 1
        part = next(name for name, end in zip(plan, ends) if due < end * 1e6)
        parts[part].append(latency)
    figures = {name: _figures(latencies) for name, latencies in parts.items()}
    figures[DURING] = _figures([one for name in ORDERS for one in parts[name]])
    return {"requests": requests, "parts": figures}


def _figures(latencies):
    """In microseconds."""
    latencies.sort()
    last = len(latencies) - 1
    return {
        **{f"p{share}": latencies[min(last, math.ceil(len(latencies) * share / 100))] for share in (50, 99, 99.9)},
        "max": latencies[last],
    }


def excess_ms(rows):
    """By how many milliseconds the p99.9 is higher while a backend is emptied: in the worst part, the median of the pairs of rounds.

    In parts, since one pause of 10 ms is in the p99.9 of a few seconds, but not in that of half a minute.
    """
    return max(statistics.median(_excesses(rows, name)) for name in ORDERS)


def _excesses(rows, name):
    pairs = zip(rows[ORDERED], rows[CALM])
    return [(one["parts"][name]["p99.9"] - other["parts"][name]["p99.9"]) / 1000 for one, other in pairs]


def table(rows):
    """Each part of the rounds with orders beside the same seconds of those without."""
    lines = [
        f"**emptying**: {RATE} requests a second over {CONNECTIONS} kept-alive connections while a backend is emptied, {len(rows[ORDERED])} rounds of each kind in turn; "
        "milliseconds, medians of the rounds, max of all",
        "",
        "| meanwhile | p50 | p99 | p99.9 | max | without orders: p50 | p99 | p99.9 | max | p99.9 more, median | min to max |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in (BEFORE, *ORDERS, DURING):
        cells = []
        for kind in (ORDERED, CALM):
            found = [one["parts"][name] for one in rows[kind]]
            cells += [statistics.median(it[share] for it in found) for share in ("p50", "p99", "p99.9")]
            cells.append(max(it["max"] for it in found))
        more = _excesses(rows, name)
        cells = [f"{cell / 1000:.2f}" for cell in cells]
        cells += [f"{statistics.median(more):.2f}", f"{min(more):.2f} to {max(more):.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| CPU time | with orders | without |", "|---|---|---|"]
    for figure, title in (("other_ms", "all threads but the workers, ms a round"), ("worker_us", "the workers, us a request")):
        cells = [f"{statistics.median(one[figure] for one in rows[kind]):.2f}" for kind in (ORDERED, CALM)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)
