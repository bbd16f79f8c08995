"""Tables of the results, and the page that they stand on."""

import re

from events import EVENTS
from rows import ROWS

PAGE = "docs/session-loss.md"
PLOT = "docs/session-loss.svg"
CONFIGURATIONS = "docs/session-loss-configurations.md"

COLUMNS = (
    ("lost", "lost"),
    ("lost_for_good", "for good"),
    ("forked", "forked"),
    ("split", "split"),
    ("stale_reads", "stale reads"),
    ("lost_updates", "lost updates"),
    ("failed", "failed requests"),
)


def line(figures):
    """One run, in short."""
    told = [f"{figures.exposed} exposed", *(f"{getattr(figures, name)} {title}" for name, title in COLUMNS if getattr(figures, name))]
    failures = ", ".join(f"{count} x {kind}" for kind, count in figures.failures.items())
    return ", ".join([*told, f"longest pause {figures.longest_pause:.2f} s"]) + (f" ({failures})" if failures else "")


def summary(results):
    """One line per row: all lost sessions of all exposed, per event."""
    events = results.names("event", EVENTS)
    lines = ["| | " + " | ".join(events) + " |", "|---|" + "---|" * len(events)]
    for row in results.names("row", ROWS):
        cells = [_of_exposed(results, event, row) for event in events]
        lines.append(f"| {ROWS[row].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _of_exposed(results, event, row):
    if not results.of(event, row):
        return "-"
    lost, exposed = (results.total(event, row, figure) for figure in ("lost", "exposed"))
    return f"**{lost}** of {exposed}" if lost else f"0 of {exposed}"


def table(results, event):
    """One event: medians, and the range where it is one."""
    heads = ["exposed", *(title for _, title in COLUMNS), "longest pause s", "where they went %"]
    lines = [f"**{event}**: {EVENTS[event].title}", "", "| | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for row in results.names("row", ROWS):
        if not results.of(event, row):
            continue
        cells = [_cell(results, event, row, figure) for figure in ("exposed", *(name for name, _ in COLUMNS))]
        cells += [_cell(results, event, row, "longest_pause", "{:.2f}"), _shares(results.shares(event, row))]
        lines.append(f"| {ROWS[row].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(results, event, row, figure, form="{:g}"):
    lowest, highest = (form.format(value) for value in results.range(event, row, figure))
    median = form.format(results.median(event, row, figure))
    return median if lowest == highest else f"{median} ({lowest}-{highest})"


def _shares(shares):
    if not sum(shares):
        return "-"
    first = round(100 * shares[0] / sum(shares))
    return f"{first} : {100 - first}"


def text(results):
    """Everything that the page shows of the results."""
    events = results.names("event", EVENTS)
    return "\n\n".join([results.conditions["text"], summary(results), *(table(results, event) for event in events)])


def configurations():
    """What each row is configured to do, with addresses to read."""
    addresses = {f"jvm{number}": f"tomcat{number}:8080" for number in (1, 2, 3)}
    stores = {name: f"memcached{name[1:]}:11211" for name in ("n1", "n2")}
    parts = []
    for row in ROWS.values():
        if row.essence:
            essence = row.essence(addresses, "/alive", stores).strip()
            parts.append(f"## {row.title}\n\n{row.note}\n\n```{row.syntax}\n{essence}\n```")
    return "\n\n".join(parts)


def update_page(path, **parts):
    """Puts each text between its marks on the page."""
    with open(path, encoding="utf-8") as file:
        page = file.read()
    for name, part in parts.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        page, count = pattern.subn(lambda _, part=part: f"{begin}\n{part}\n{end}", page)
        if count != 1:
            raise SystemExit(f"{path} must hold the marks {begin} and {end} once")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
