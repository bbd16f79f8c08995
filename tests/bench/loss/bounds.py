"""What Cattail must keep, judged by the other rows of the same results."""

import dataclasses
import math

from events import EVENTS
from rows import IDEAL, ROWS

OURS = "cattail"
# Pauses that differ by less are alike: a Tomcat's own, when it compiles or collects garbage, are as long.
ALIKE_SECONDS = 0.25


@dataclasses.dataclass(frozen=True)
class Bound:
    """One bound and whether it is kept."""

    event: str
    text: str
    limit: str
    found: str
    kept: bool


def bounds(results):
    """All that the results decide."""
    judged = []
    for event in results.names("event", EVENTS):
        if results.of(event, OURS):
            judged += _of_event(results, event)
    return judged


def _of_event(results, event):
    if results.of(event, IDEAL):
        for figure in ("lost", "lost_for_good", "forked", "split"):
            limit, found = (results.total(event, row, figure) for row in (IDEAL, OURS))
            yield Bound(event, figure.replace("_", " "), f"{limit}", f"{found}", found <= limit)
    failed = results.total(event, OURS, "failed")
    yield Bound(event, "failed requests", "0", f"{failed}", failed == 0)
    peers = [row for row in ROWS if row not in (IDEAL, OURS) and results.of(event, row)]
    if peers:
        best = min(results.median(event, row, "longest_pause") for row in peers)
        found = results.median(event, OURS, "longest_pause")
        within = found <= best + ALIKE_SECONDS
        yield Bound(event, "longest pause, s", f"{best:.2f} + {ALIKE_SECONDS}", f"{found:.2f}", within)
    shares = results.shares(event, OURS)
    if sum(shares):
        # Four standard deviations of a fair coin: chance alone misses it once in fifteen thousand times.
        limit = 2 / math.sqrt(sum(shares))
        found = abs(shares[0] / sum(shares) - 0.5)
        yield Bound(event, "how far from half of the sessions", f"{limit:.2f}", f"{found:.2f}", found <= limit)


def table(judged):
    """As a table."""
    lines = ["| event | bound | at most | found | |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.event} | {one.text} | {one.limit} | {one.found} | {'kept' if one.kept else 'MISSED'} |" for one in judged
    ]
    return "\n".join(lines)
