"""Tables, bounds, and where they are written."""

import os
import re

import emptying
import peers
import session_tables
import workloads
from workloads import median

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


PEERS = {peers.CATTAIL, peers.HAPROXY, peers.NGINX}


class Bound:
    """A figure of Cattail that must not be exceeded; the limit may come of the same measurements."""

    def __init__(self, workload, text, limit, figure, needs=PEERS):
        self.workload, self.text, self.figure, self.needs = workload, text, figure, needs
        self.limit = limit if callable(limit) else lambda _: limit


def _against(peer):
    return lambda rows: median(rows[peers.CATTAIL], "cpu_us") / median(rows[peer], "cpu_us")


BOUNDS = (
    Bound("A", "A: CPU per request, x HAProxy", 0.95, _against(peers.HAPROXY)),
    Bound("A", "A: CPU per request, x nginx", 1.10, _against(peers.NGINX)),
    Bound("B64k", "B64k: CPU per request, x HAProxy", 1.10, _against(peers.HAPROXY)),
    Bound("T", "T: CPU per request, x HAProxy", 0.75, _against(peers.HAPROXY)),
    Bound("TK", "TK: CPU per handshake and request, x HAProxy", 0.60, _against(peers.HAPROXY)),
    Bound("T2", "T2: CPU per request, x HAProxy", 1.15, _against(peers.HAPROXY)),
    Bound("T2", "T2: CPU per request, x nginx", 0.95, _against(peers.NGINX)),
    # A tenth for connections made and for reads that found nothing.
    Bound("syscalls", "data system calls per request", 4.1, lambda rows: median(rows[peers.CATTAIL], "per_request")),
    Bound("D", "KiB per idle client", 28.0, lambda rows: median(rows[peers.CATTAIL], "kib")),
    Bound("instructions", "instructions per request: % that sticky is above none", 3.0, session_tables.instructions_excess, set()),
    # What two proxies that are alike differ by.
    Bound("sticky", "CPU per request: % that sticky is above none", session_tables.sticky_noise, session_tables.sticky_excess, set()),
    Bound("ledger", "MB more when the ledger is filled", 64.0, lambda rows: rows["filled"][0]["grown_mb"], set()),
    # Without it an allocator that makes all of the ledger resident at the start would keep the one above.
    Bound("ledger", "MB of the filled ledger in all", 64.0, lambda rows: rows["filled"][0]["taken_mb"], set()),
    Bound("ledger", "sessions not remembered", 0, session_tables.missing, set()),
    Bound("ledger", "sessions evicted", 0, lambda rows: rows["filled"][0]["evicted"], set()),
    Bound("emptying", "p99.9 while a backend is emptied: ms more than without", 5.0, emptying.excess_ms, set()),
)


def table(workload, rows):
    """One workload's table."""
    if workload in TABLES:
        return TABLES[workload](rows)
    return _load_table(workload, rows)


def _load_table(workload, rows):
    lines = [
        f"**{workload}**: {workloads.LOADS[workload].title}",
        "",
        "| target | CPU us/req | min-max | req/s | p50 us | p99 us | core % | RSS MB | x haproxy | x nginx |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, rounds in rows.items():
        costs = [one["cpu_us"] for one in rounds]
        cells = [
            name,
            f"{median(rounds, 'cpu_us'):.2f}",
            f"{min(costs):.2f}-{max(costs):.2f}",
            f"{median(rounds, 'rate'):.0f}",
            f"{median(rounds, 'p50_us'):.0f}",
            f"{median(rounds, 'p99_us'):.0f}",
            f"{median(rounds, 'core'):.0f}",
            f"{median(rounds, 'rss_mb'):.1f}",
        ]
        cells += [_ratio(rows, name, peer) for peer in (peers.HAPROXY, peers.NGINX)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _ratio(rows, name, peer):
    if peer not in rows:
        return "-"
    return f"{median(rows[name], 'cpu_us') / median(rows[peer], 'cpu_us'):.2f}"


def _idle_table(rows):
    count = next(iter(rows.values()))[0]["count"]
    lines = [
        f"**D**: {count} idle clients, each of which made one request",
        "",
        "| target | RSS before MB | with idle clients MB | KiB per client |",
        "|---|---|---|---|",
    ]
    for name, (row,) in rows.items():
        lines.append(f"| {name} | {row['before_mb']:.1f} | {row['after_mb']:.1f} | {row['kib']:.2f} |")
    return "\n".join(lines)


def _syscall_table(rows):
    lines = [
        "**syscalls**: data system calls per request, workload A under strace",
        "",
        "| target | in all | which |",
        "|---|---|---|",
    ]
    for name, (row,) in rows.items():
        calls = {call: row[call] for call in workloads.DATA_CALLS if row.get(call, 0) >= 0.01}
        which = ", ".join(f"{call} {each:.2f}" for call, each in calls.items())
        lines.append(f"| {name} | {row['per_request']:.2f} | {which} |")
    return "\n".join(lines)


# Of workloads that are no load of equal requests for a time.
TABLES = {
    workloads.IDLE: _idle_table,
    workloads.SYSCALLS: _syscall_table,
    workloads.INSTRUCTIONS: session_tables.instructions,
    workloads.STICKY: session_tables.sticky,
    workloads.LEDGER: session_tables.of_ledger,
    workloads.EMPTYING: emptying.table,
}


def bounds(results):
    """A table of the bounds that the results decide, and whether all are kept."""
    lines = ["| bound | at most | found | |", "|---|---|---|---|"]
    kept = True
    for bound in BOUNDS:
        rows = results.get(bound.workload)
        if not rows or not bound.needs <= rows.keys():
            continue
        found, limit = bound.figure(rows), bound.limit(rows)
        within = found <= limit
        kept = kept and within
        lines.append(f"| {bound.text} | {limit:.2f} | {found:.2f} | {'kept' if within else 'MISSED'} |")
    return "\n".join(lines) if len(lines) > 2 else "", kept


def update_page(path, text):
    """Puts the text between the marks of a page."""
    with open(path, encoding="utf-8") as file:
        page = file.read()
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    page, count = pattern.subn(lambda _: f"{BEGIN}\n{text}\n{END}", page)
    if count != 1:
        raise SystemExit(f"{path} must hold the marks {BEGIN} and {END} once")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)


def save(folder, name, text):
    """Writes a file of results."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return path
