"""The rows of the comparison: each a program with one configuration, written as its administrator would write it."""

import dataclasses

import peers_apache
import peers_cattail
import peers_haproxy
import peers_nginx

IDEAL = "ideal"


@dataclasses.dataclass(frozen=True)
class Row:
    """One row. `essence(addresses, health)` is what the configuration is about; `frame` wraps what only this bed needs around it."""

    name: str
    title: str
    # How the survivor of a session is found.
    survivor: str
    essence: object = None
    command: object = None
    syntax: str = ""


ROWS = {
    row.name: row
    for row in (
        Row(IDEAL, "ideal: what MSM itself loses", "computed"),
        Row("cattail", "cattail", "computed", peers_cattail.tuned, peers_cattail.command, "yaml"),
        Row("nginx", "nginx, usual recipe", "any", peers_nginx.usual, peers_nginx.command, "nginx"),
        Row("nginx-expert", "nginx, expert", "written by hand", peers_nginx.expert, peers_nginx.command, "nginx"),
        Row("apache", "Apache, usual recipe", "any", peers_apache.usual, peers_apache.command, "apache"),
        Row("apache-expert", "Apache, expert", "written by hand", peers_apache.expert, peers_apache.command, "apache"),
        Row("haproxy", "HAProxy, usual recipe", "any", peers_haproxy.usual, peers_haproxy.command, "haproxy"),
        Row("haproxy-expert", "HAProxy, expert", "computed", peers_haproxy.expert, peers_haproxy.command, "haproxy"),
    )
}
