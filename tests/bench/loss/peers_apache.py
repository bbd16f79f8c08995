"""Apache's configurations: mod_proxy_balancer, which is what its manual recommends in front of Tomcats."""

import os

USUAL = """The jvm routes and the session's two names. The survivor is whoever has the most credit with the balancer, for each request anew."""
EXPERT = """One deputy for each Tomcat, written by hand, which gets all sessions of its neighbour; checks every second; no kept connections to the
Tomcats, since a request that meets a dying one is an error. What was sent is never sent again, so nobody is freed from a Tomcat that hangs: `timeout` is how
long they wait, and then it is an error; a check waits as long."""

MODULES = (
    "authz_core",
    "lbmethod_byrequests",
    "mpm_event",
    "proxy",
    "proxy_balancer",
    "proxy_hcheck",
    "proxy_http",
    "slotmem_shm",
)
FOLDER = "/usr/lib/apache2/modules"


def usual(addresses, _health):
    """See USUAL."""
    members = [f'    BalancerMember "http://{address}" route={name}' for name, address in addresses.items()]
    return _balancer(members, ["ProxySet stickysession=JSESSIONID|jsessionid"])


def expert(addresses, health):
    """See EXPERT."""
    names = list(addresses)
    checks = f"hcmethod=GET hcuri={health} hcinterval=1 hcpasses=1 hcfails=1"
    limits = "connectiontimeout=2 timeout=15 disablereuse=On retry=1"
    members = [
        f'    BalancerMember "http://{addresses[name]}" route={name} redirect={deputy} \\\n        {limits} {checks}'
        for name, deputy in zip(names, names[1:] + names[:1])
    ]
    settings = ["ProxySet stickysession=JSESSIONID|jsessionid scolonpathdelim=On", "ProxySet failontimeout=On maxattempts=3"]
    return _balancer(members, settings)


def _balancer(members, settings):
    inside = "\n".join([*members, *(f"    {line}" for line in settings)])
    return f"""\
<Proxy "balancer://shop">
{inside}
</Proxy>
ProxyPass "/" "balancer://shop/"
ProxyPassReverse "/" "balancer://shop/"
"""


def command(place, essence):
    """How it is started: two processes of threads, enough for all browsers."""
    # Root may not serve.
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    modules = "\n".join(f"LoadModule {name}_module {FOLDER}/mod_{name}.so" for name in MODULES)
    path = place.write(
        "apache.conf",
        f"""\
ServerRoot {place.folder}
ServerName localhost
Listen 127.0.0.1:{place.port}
{modules}
{user}
PidFile {place.folder}/apache.pid
DefaultRuntimeDir {place.folder}
ErrorLog {place.folder}/error.log
LogLevel warn
CustomLog {place.folder}/access.log "%t %{{JSESSIONID}}C %>s %D %{{BALANCER_WORKER_ROUTE}}e %{{BALANCER_ROUTE_CHANGED}}e"
StartServers 2
ServerLimit 2
ThreadLimit 250
ThreadsPerChild 250
MaxRequestWorkers 500
MaxKeepAliveRequests 0
KeepAliveTimeout 60
{essence}""",
    )
    return ["apache2", "-D", "FOREGROUND", "-f", path]
