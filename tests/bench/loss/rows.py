"""The rows of the comparison: each a program with one configuration, written as its administrator would write it."""

import dataclasses

import peers_apache
import peers_cattail
import peers_haproxy
import peers_nginx

IDEAL = "ideal"


@dataclasses.dataclass(frozen=True)
class Row:
    """One row."""

    name: str
    title: str
    # What `essence` is, for readers of the page.
    note: str = ""
    # essence(addresses, health, stores): what the configuration is about. command(place, essence): how the program is started with it.
    essence: object = None
    command: object = None
    syntax: str = ""


def _blind(essence):
    """Of a program that has no word for session stores."""
    return lambda addresses, health, _stores: essence(addresses, health)


ROWS = {
    row.name: row
    for row in (
        Row(IDEAL, "ideal"),
        Row("cattail", "cattail", peers_cattail.NOTE, peers_cattail.tuned, peers_cattail.command, "yaml fragment"),
        Row("nginx", "nginx, usual", peers_nginx.USUAL, _blind(peers_nginx.usual), peers_nginx.command, "nginx"),
        Row("nginx-expert", "nginx, expert", peers_nginx.EXPERT, _blind(peers_nginx.expert), peers_nginx.command, "nginx"),
        Row("apache", "Apache, usual", peers_apache.USUAL, _blind(peers_apache.usual), peers_apache.command, "apache"),
        Row("apache-expert", "Apache, expert", peers_apache.EXPERT, _blind(peers_apache.expert), peers_apache.command, "apache"),
        Row("haproxy", "HAProxy, usual", peers_haproxy.USUAL, _blind(peers_haproxy.usual), peers_haproxy.command, "haproxy"),
        Row("haproxy-expert", "HAProxy, expert", peers_haproxy.EXPERT, _blind(peers_haproxy.expert), peers_haproxy.command, "haproxy"),
    )
}
