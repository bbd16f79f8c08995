"""The test bed: real Tomcats, memcached-session-manager, memcached, redis, and the proxy before them.

    with Bed() as bed:
        n1, n2 = bed.memcacheds("n1", "n2")
        one = bed.tomcat9("jvm1", manager=Msm([n1, n2]))
        two = bed.tomcat9("jvm2", manager=Msm([n1, n2]))
        bed.start(one, two)
        proxy = bed.cattail(sticky(one, two))
        browser = Browser(proxy.address)
"""

from free_ports import free_port

from .balancer import Balancer, Nginx, certificate
from .bed import Bed
from .browser import Answer, Browser
from .haproxy import Haproxy
from .manager import Msm, Persistent, Standard
from .process import Gone, PartError, eventually
from .proxy import Cattail, on_loopback
from .store import Memcached, Redis
from .tomcat import App, Tomcat

__all__ = [
    "Answer",
    "App",
    "Balancer",
    "Bed",
    "Browser",
    "Cattail",
    "Gone",
    "Haproxy",
    "Memcached",
    "Msm",
    "Nginx",
    "PartError",
    "Persistent",
    "Redis",
    "Standard",
    "Tomcat",
    "certificate",
    "eventually",
    "free_port",
    "on_loopback",
]
