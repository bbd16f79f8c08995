"""A million live sessions: what remembering them takes, what finding one among them costs, who waits for whom."""

import dataclasses
import math

import client
import peers
import processes
from processes import BenchError
from workloads import Load, one_run

LOAD = Load("1 KB, 64 kept-alive connections", "/1k", 1024, 64)
FEW = 1_000
# The smallest that the configuration allows: next to none.
LEAST_LEDGER = 1_000
BROWSERS = 10_000
# Runs of the load that fills the ledger.
MOST_FILLS = 6


def measure_ledger(site, options):
    """Fills one proxy of two workers with sessions; all the rest is measured on it."""
    # For each browser its own connection and, once it has shown sessions of both, one to each backend.
    browsers = min(options.browsers, (site.file_limit - 1_000) // 3)
    if browsers < options.browsers:
        print(f"note: only {browsers} browsers, for want of file descriptors (ulimit -n)", flush=True)
    settings = peers.Settings(affinity="sticky", workers=2, pool=browsers, ledger=max(peers.Settings.ledger, options.sessions))
    without = _without(site, settings, options)
    proxy = peers.Proxy(peers.CATTAIL, site, settings)
    try:
        before = _warmed_up(proxy, options)
        fill(proxy, options.sessions)
        after = processes.rss_bytes(proxy.pid)
        filled = {
            "sessions": options.sessions,
            "issued": _issued(proxy),
            "evicted": _evicted(proxy),
            "without_mb": without / 1e6,
            "before_mb": before / 1e6,
            "after_mb": after / 1e6,
            "grown_mb": (after - before) / 1e6,
            "taken_mb": (after - without) / 1e6,
        }
        rows = {"filled": [filled], **_look_up(proxy, options), "browsers": [_browse(proxy, options, browsers)]}
        made_up = proxy.metric('cattail_ledger_entries{kind="claimed"}')
        if made_up:
            raise BenchError(f"{made_up} sessions were shown that no backend had begun")
        return rows
    finally:
        proxy.stop()


def _without(site, settings, options):
    """Resident memory of a proxy that remembers next to nothing.

    What an allocator hands out may be resident before it is used, so growth alone does not tell what a ledger takes.
    """
    proxy = peers.Proxy(peers.CATTAIL, site, dataclasses.replace(settings, ledger=LEAST_LEDGER))
    try:
        return _warmed_up(proxy, options)
    finally:
        proxy.stop()


def _warmed_up(proxy, options):
    """Resident memory after some load without sessions."""
    proxy.check(LOAD.path, LOAD.size)
    client.wrk(proxy.port, LOAD.path, LOAD.connections, options.warm_up, cpus=processes.BOTH_CPUS)
    return processes.rss_bytes(proxy.pid)


def _issued(proxy):
    return proxy.metric('cattail_ledger_entries{kind="issued"}')


def _evicted(proxy):
    return proxy.metric("cattail_ledger_evictions_total")


def fill(proxy, sessions):
    """Lets the back end begin all sessions, and all once more where need be: what is under way when a load ends is lost."""
    load = Load("logins", f"/login/{sessions}", LOAD.size, LOAD.connections)
    seconds = 1
    for _ in range(MOST_FILLS):
        run = one_run(proxy, load, seconds, cpus=processes.BOTH_CPUS)
        if _issued(proxy) + _evicted(proxy) >= sessions:
            return
        seconds = math.ceil(1.1 * sessions / run["rate"])
    raise BenchError(f"{_issued(proxy)} of {sessions} sessions are remembered after {MOST_FILLS} loads")


def _look_up(proxy, options):
    """The same load over all sessions and over a few, in turn."""
    few = min(FEW, options.sessions)
    rows = {"all": [], "few": []}
    first = 0
    for _ in range(options.rounds):
        for name, sessions in (("all", options.sessions), ("few", few)):
            run = one_run(proxy, LOAD, options.seconds, cpus=processes.BOTH_CPUS, sessions=(sessions, first))
            rows[name].append({**run, "sessions": sessions})
            # So that each round shows others.
            first += run["requests"]
    return rows


def _browse(proxy, options, browsers):
    """How often a worker waited for another's look-up while many clients ask at once."""
    load = Load("browsers", LOAD.path, LOAD.size, browsers)
    before = proxy.metric("cattail_ledger_waits_total")
    run = one_run(proxy, load, 4 * options.seconds, cpus=processes.BOTH_CPUS, sessions=(options.sessions, 0))
    waits = proxy.metric("cattail_ledger_waits_total") - before
    return {**run, "browsers": browsers, "waits": waits, "waits_per_million": 1e6 * waits / run["requests"]}
