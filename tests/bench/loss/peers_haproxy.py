"""HAProxy's configurations."""

USUAL = """A rule for each jvm route, checks, another server when one cannot be reached. The survivor is whoever is next in turn, for each
request anew."""
HASH = """The survivor by a consistent hash of the session's base. The first failed connection takes a server out for all requests, and what
waits there is sent again at once. Of a retry the hash may choose another server than after the ejection. `retry-on 404` is for a Tomcat that stops; each page that
is really missing would be asked for everywhere, and its session taken over by the last one asked. Here no page is missing."""
DEPUTY = """A backend for each jvm route with one deputy, which is written by hand and gets all sessions of its neighbour. The rest as with the
hash."""


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


def by_hash(addresses, health):
    """See HASH."""
    return f"""\
{_defaults(health)}
frontend clients
    bind :80
    default_backend shop
backend shop
    balance hash req.cook(JSESSIONID),field(1,-.)
    hash-type consistent
{_rules(addresses)}
{_servers(addresses)}
"""


def by_deputy(addresses, health):
    """See DEPUTY."""
    names = list(addresses)
    own = "\n".join(f"    use_backend {name} if {{ req.cook(JSESSIONID) -m end .{name} }}" for name in names)
    backends = "\n".join(
        f"backend {name}\n    server {name} {addresses[name]}\n    server {deputy} {addresses[deputy]} backup"
        for name, deputy in zip(names, names[1:] + names[:1])
    )
    return f"""\
{_defaults(health)}
frontend clients
    bind :80
{own}
    default_backend shop
backend shop
    balance roundrobin
{_servers(addresses)}
{backends}
"""


def _defaults(health):
    """What both experts have. A server that is marked down lets go of its requests, and these are retried."""
    return f"""\
defaults
    mode http
    timeout connect 2s
    timeout client 50s
    timeout server 20s
    retries 10
    retry-on all-retryable-errors 404
    option redispatch 1
    option forwardfor
    option httpchk GET {health}
    default-server check inter 500ms fastinter 250ms downinter 500ms fall 2 rise 2
    default-server observe layer4 error-limit 1 on-error mark-down on-marked-down shutdown-sessions"""


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
