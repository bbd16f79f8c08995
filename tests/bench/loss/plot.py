"""The plot: an SVG of bars, one panel for each event, one line for each row."""

from xml.sax.saxutils import escape

from events import EVENTS
from rows import IDEAL, ROWS

LABELS, PANEL, GAP, LINE, HEAD = 190, 150, 14, 19, 46
FONT = 'font-family="sans-serif" font-size="12"'
COLOURS = {IDEAL: "#7f8790", "cattail": "#1b7f4d"}
USUAL, EXPERT = "#c0392b", "#d08a2e"


def draw(results):
    """Two bands: sessions lost of those exposed, and the longest pause."""
    events = results.names("event", EVENTS)
    rows = results.names("row", ROWS)
    band = HEAD + LINE * len(rows)
    width = LABELS + len(events) * (PANEL + GAP)
    height = 2 * band + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" {FONT}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *_band(results, events, rows, 0, "users logged out, % of those exposed", _lost),
        *_band(results, events, rows, band + 10, "longest pause of a user, s", _pause),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _band(results, events, rows, top, title, measure):
    yield _text(8, top + 18, title, weight="bold")
    for at, row in enumerate(rows):
        yield _text(LABELS - 8, top + HEAD + LINE * at + 9, ROWS[row].title, anchor="end")
    for column, event in enumerate(events):
        left = LABELS + column * (PANEL + GAP)
        yield _text(left, top + HEAD - 10, event, weight="bold")
        yield f'<line x1="{left}" y1="{top + HEAD - 4}" x2="{left}" y2="{top + HEAD + LINE * len(rows) - 4}" stroke="#333"/>'
        for at, row in enumerate(rows):
            if results.of(event, row):
                yield from _bar(left, top + HEAD + LINE * at, row, *measure(results, event, row))


def _bar(left, top, row, share, label):
    """Room for the label is kept to the right of the longest bar."""
    long = round(share * (PANEL - 62), 1)
    colour = COLOURS.get(row, USUAL if row in ("nginx", "apache", "haproxy") else EXPERT)
    if long:
        yield f'<rect x="{left}" y="{top - 1}" width="{long}" height="12" fill="{colour}"/>'
    yield _text(left + long + 4, top + 9, label)


def _lost(results, event, row):
    lost, exposed = (results.total(event, row, figure) for figure in ("lost", "exposed"))
    return (lost / exposed if exposed else 0.0), f"{lost} of {exposed}"


def _pause(results, event, row):
    found = results.median(event, row, "longest_pause")
    longest = max(results.median(event, other, "longest_pause") for other in results.names("row", ROWS) if results.of(event, other))
    return found / max(longest, 1.0), f"{found:.2f}"


def _text(x, y, text, anchor="start", weight="normal"):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="#222">{escape(text)}</text>'
