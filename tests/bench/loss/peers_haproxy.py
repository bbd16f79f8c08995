"""HAProxy's configurations."""

USUAL = """A rule for each jvm route, checks, another server when one cannot be reached. The survivor is whoever is next in turn, for each
request anew."""
EXPERT = """The survivor by a consistent hash of the session's base, so nothing is written by hand and the load spreads. The first failed connection takes a server
out for all requests. A request that waits at a server that hangs is sent again after `timeout server`, so no page may take longer than 3 s;
`on-marked-down shutdown-sessions` would free it after half of that, but then retries and new requests of a session choose differently, and nearly every
kill and stop splits one. `retry-on 404` is for a Tomcat that stops: each page that is really missing would be asked for everywhere, and its session taken over by the last one
asked; here none is missing."""


def usual(addresses, health):
    """See USUAL."""
    return f"""\
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
    retries 3
    option redispatch
    option forwardfor
frontend clients
    bind :80
    default_backend shop
backend shop
    balance roundrobin
    option httpchk GET {health}
{_rules(addresses)}
{_servers(addresses, " check")}
"""


def expert(addresses, health):
    """See EXPERT."""
    return f"""\
defaults
    mode http
    timeout connect 2s
    timeout client 50s
    timeout server 3s
    retries 10
    retry-on all-retryable-errors 404
    option redispatch 1
    option forwardfor
frontend clients
    bind :80
    default_backend shop
backend shop
    balance hash req.cook(JSESSIONID),field(1,-.)
    hash-type consistent
    option httpchk GET {health}
    default-server check inter 500ms fastinter 250ms downinter 500ms fall 2 rise 2
    default-server observe layer4 error-limit 1 on-error mark-down
{_rules(addresses)}
{_servers(addresses)}
"""


def _rules(addresses):
    return "\n".join(f"    use-server {name} if {{ req.cook(JSESSIONID) -m end .{name} }}" for name in addresses)


def _servers(addresses, options=""):
    return "\n".join(f"    server {name} {address}{options}" for name, address in addresses.items())


def command(place, essence):
    """How it is started: two threads, as on a machine of two cores; with a log for those who look for a reason."""
    text = essence.replace("bind :80", f"bind 127.0.0.1:{place.port}")
    text = text.replace("    mode http\n", "    mode http\n    log global\n    option httplog\n", 1)
    path = place.write(
        "haproxy.cfg",
        f"""\
global
    nbthread 2
    maxconn 4096
    log stdout format raw local0
{text}""",
    )
    return ["haproxy", "-db", "-f", path]
