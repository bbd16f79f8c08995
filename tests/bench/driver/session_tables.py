"""The tables of what sessions cost."""

import sessions
from workloads import median


def instructions(rows):
    """Both counts and their ratio."""
    few, many = (rows[sessions.NONE][0][key] for key in ("few", "many"))
    lines = [
        f"**instructions**: in user space, per request of A with a session id; the slope between {few} and {many} requests",
        "",
        "| affinity | per request | x none |",
        "|---|---|---|",
    ]
    base = median(rows[sessions.NONE], "per_request")
    for name, (row,) in rows.items():
        lines.append(f"| {name} | {row['per_request']:.0f} | {row['per_request'] / base:.4f} |")
    return "\n".join(lines)


def sticky(rows):
    """The pairs' ratios."""
    count = len(rows[sessions.COST])
    lines = [
        f"**sticky**: {sessions.LOAD.title}; {count} pairs of each kind in turn",
        "",
        "| pairs | CPU us/req | ratio, median | min-max |",
        "|---|---|---|---|",
    ]
    for name, pairs in rows.items():
        ratios = [pair["ratio"] for pair in pairs]
        lines.append(
            f"| {name} | {median(pairs, 'second_us'):.2f} / {median(pairs, 'first_us'):.2f} "
            f"| {median(pairs, 'ratio'):.4f} | {min(ratios):.4f}-{max(ratios):.4f} |"
        )
    return "\n".join(lines)


def of_ledger(rows):
    """Memory, look-ups, waits."""
    (filled,), (browsers,) = rows["filled"], rows["browsers"]
    lines = [
        f"**ledger**: {filled['sessions']} live sessions, two workers",
        "",
        "| remembered | evicted | RSS with next to no ledger MB | empty ledger MB | filled MB | more when filled MB | in all MB |",
        "|---|---|---|---|---|---|---|",
        f"| {filled['issued']} | {filled['evicted']} | {filled['without_mb']:.1f} | {filled['before_mb']:.1f} "
        f"| {filled['after_mb']:.1f} | {filled['grown_mb']:.1f} | {filled['taken_mb']:.1f} |",
        "",
        "| sessions shown in turn | CPU us/req | min-max | req/s | x few |",
        "|---|---|---|---|---|",
    ]
    base = median(rows["few"], "cpu_us")
    for name in ("few", "all"):
        runs = rows[name]
        costs = [run["cpu_us"] for run in runs]
        lines.append(
            f"| {runs[0]['sessions']} | {median(runs, 'cpu_us'):.2f} | {min(costs):.2f}-{max(costs):.2f} "
            f"| {median(runs, 'rate'):.0f} | {median(runs, 'cpu_us') / base:.3f} |"
        )
    lines += [
        "",
        "| clients at once | requests | waits for another worker | waits per million requests |",
        "|---|---|---|---|",
        f"| {browsers['browsers']} | {browsers['requests']} | {browsers['waits']} | {browsers['waits_per_million']:.1f} |",
    ]
    return "\n".join(lines)


def sticky_excess(rows):
    """By how many per cent a session id makes a request dearer."""
    return 100 * (median(rows[sessions.COST], "ratio") - 1)


def sticky_noise(rows):
    """How many per cent of that mean nothing."""
    return 100 * sessions.noise(rows)


def instructions_excess(rows):
    """By how many per cent a session id makes a request longer."""
    counts = {name: median(rows[name], "per_request") for name in (sessions.NONE, sessions.STICKY)}
    return 100 * (counts[sessions.STICKY] / counts[sessions.NONE] - 1)


def missing(rows):
    """Sessions that began and are not remembered."""
    (filled,) = rows["filled"]
    return filled["sessions"] - filled["issued"]
