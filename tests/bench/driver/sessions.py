"""What it costs that a request shows a session: Cattail beside itself, `affinity: sticky` against `none`, same requests."""

import os
import re

import client
import peers
import processes
from processes import BenchError
from workloads import LOADS, Load, one_run

COOKIE = "Cookie: JSESSIONID=D2081B9F3A6E4C7A8B1E5F90C2D3A799-n1.jvm1"
_A = LOADS["A"]
LOAD = Load(f"{_A.title}, each request with a session id", _A.path, _A.size, _A.connections, (COOKIE,))

NONE, STICKY = "none", "sticky"
# The rows of the workload `sticky`.
COST, NOISE = "sticky / none", "none / none"


def measure_instructions(site, options):
    """Instructions per request in user space, counted by callgrind: what a start and an end cost is in both counts."""
    few, many = options.counted_requests
    rows = {}
    for affinity in (NONE, STICKY):
        used = _instructions(site, affinity, many) - _instructions(site, affinity, few)
        rows[affinity] = [{"per_request": used / (many - few), "few": few, "many": many}]
    return rows


def _instructions(site, affinity, requests):
    wrapper = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={os.path.join(site.work, 'callgrind')}")
    proxy = peers.Proxy(peers.CATTAIL, site, peers.Settings(affinity=affinity), wrapper)
    try:
        with client.Client(proxy.port) as one:
            for _ in range(requests):
                status, body = one.get(LOAD.path, LOAD.fields)
                if status != 200 or len(body) != LOAD.size:
                    raise BenchError(f"{LOAD.path} answers {status} with {len(body)} bytes")
        if processes.stop(proxy.process) != 0:
            raise BenchError(f"cattail under callgrind ended badly:\n{proxy.output()}")
    finally:
        proxy.stop()
    counted = re.search(r"Collected : (\d+)", proxy.output())
    if not counted:
        raise BenchError(f"callgrind counted nothing:\n{proxy.output()}")
    return int(counted[1])


def measure_sticky(site, options):
    """CPU time per request, as ratios of two runs one after the other, so that a slow minute of the host hits both.

    The pairs take turns with pairs of two proxies that are alike: what those differ by is noise.
    """
    running = []
    try:
        for affinity in (NONE, STICKY, NONE):
            running.append(peers.Proxy(peers.CATTAIL, site, peers.Settings(affinity=affinity)))
        for proxy in running:
            proxy.check(LOAD.path, LOAD.size)
            client.wrk(proxy.port, LOAD.path, LOAD.connections, options.warm_up, LOAD.fields)
        base, sticky, other = running
        rows = {COST: [], NOISE: []}
        for _ in range(options.pairs):
            for name, proxy in ((COST, sticky), (NOISE, other)):
                first = one_run(base, LOAD, options.seconds)["cpu_us"]
                second = one_run(proxy, LOAD, options.seconds)["cpu_us"]
                rows[name].append({"ratio": second / first, "first_us": first, "second_us": second})
        shown = sticky.metric('cattail_session_requests_total{cluster="shop",binding="owner"}')
        if not shown or base.metric("cattail_session_requests_total"):
            raise BenchError("the sticky proxy alone must bind requests to their owner")
        return rows
    finally:
        for proxy in running:
            proxy.stop()


def noise(rows):
    """By how much the ratio of two proxies that are alike was off 1, at most."""
    return max(abs(row["ratio"] - 1) for row in rows[NOISE])
