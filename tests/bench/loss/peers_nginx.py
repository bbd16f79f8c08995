"""nginx's configurations. Its free version of Debian 12 has no `sticky` and no active checks."""

import os

USUAL = """The map recipe: an upstream for each jvm route, in which the other Tomcats are backups. The survivor is whichever backup is next in turn,
for each request anew."""
EXPERT = """One deputy for each Tomcat, written by hand, which gets all sessions of its neighbour. All workers share what they know of failures. Nothing
checks a Tomcat that says nothing, so no page may take longer than 3 s."""

def usual(addresses, _health):
    """See USUAL."""
    upstreams = [_upstream("anybody", [f"server {address};" for address in addresses.values()])]
    for name, own in addresses.items():
        others = [f"server {address} backup;" for other, address in addresses.items() if other != name]
        upstreams.append(_upstream(name, [f"server {own};", *others]))
    return f"""\
{_map(addresses)}
{"".join(upstreams)}
server {{
    listen 80;
    location / {{
        proxy_pass http://$pool;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
}}
"""


def expert(addresses, _health):
    """See EXPERT."""
    limits = "max_fails=1 fail_timeout=5s"
    kept = ["keepalive 64;", "keepalive_requests 90;", "keepalive_timeout 15s;"]
    names = list(addresses)
    upstreams = [
        _upstream("anybody", ["zone anybody 64k;", *(f"server {a} {limits};" for a in addresses.values()), *kept])
    ]
    for name, deputy in zip(names, names[1:] + names[:1]):
        servers = [f"server {addresses[name]} {limits};", f"server {addresses[deputy]} backup {limits};"]
        upstreams.append(_upstream(name, [f"zone {name} 64k;", *servers, *kept]))
    return f"""\
{_map(addresses)}
{"".join(upstreams)}
server {{
    listen 80;
    location / {{
        proxy_pass http://$pool;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_connect_timeout 2s;
        proxy_read_timeout 3s;
        proxy_next_upstream error timeout invalid_header http_502 http_503 http_504;
        proxy_next_upstream_tries 3;
    }}
}}
"""


def _map(addresses):
    pools = "\n".join(f"    {name} {name};" for name in addresses)
    return f"""\
map $cookie_JSESSIONID $route {{
    ~\\.(?<tail>[^.]+)$ $tail;
}}
map $route $pool {{
    default anybody;
{pools}
}}"""


def _upstream(name, lines):
    inside = "\n".join(f"    {line}" for line in lines)
    return f"upstream {name} {{\n{inside}\n}}\n"


def command(place, essence):
    """How it is started: two workers, as on a machine of two cores."""
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"{kind}_temp_path {place.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = place.write(
        "nginx.conf",
        f"""\
{user}
daemon off;
worker_processes 2;
pid {place.folder}/nginx.pid;
error_log {place.folder}/error.log;
events {{ worker_connections 4096; }}
http {{
access_log {place.folder}/access.log combined;
{temporary}
{essence.replace("listen 80;", f"listen 127.0.0.1:{place.port};")}
}}
""",
    )
    return ["nginx", "-p", place.folder, "-e", f"{place.folder}/error.log", "-c", path]
