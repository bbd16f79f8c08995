"""Who manages the sessions of a Tomcat: elements of its server.xml."""

import dataclasses
from xml.sax.saxutils import quoteattr

SERIALIZERS = {
    "java": "de.javakaffee.web.msm.JavaSerializationTranscoderFactory",
    "kryo": "de.javakaffee.web.msm.serializer.kryo.KryoTranscoderFactory",
    "javolution": "de.javakaffee.web.msm.serializer.javolution.JavolutionTranscoderFactory",
    "xstream": "de.javakaffee.web.msm.serializer.xstream.XStreamTranscoderFactory",
    "flexjson": "de.javakaffee.web.msm.serializer.json.JSONTranscoderFactory",
}


def element(name, attributes, content=""):
    """An XML element; attributes that are None are left out."""
    shown = "".join(
        f" {key}={quoteattr(_word(value))}" for key, value in attributes.items() if value is not None
    )
    return f"<{name}{shown}>{content}</{name}>" if content else f"<{name}{shown}/>"


def _word(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclasses.dataclass(frozen=True)
class Standard:
    """Tomcat's own: sessions live in its memory alone."""

    needs_msm = False

    def xml(self):
        """Inside of Context."""
        return ""


@dataclasses.dataclass(frozen=True)
class Msm:
    """memcached-session-manager."""

    # Memcached or Redis parts of the bed, or a text as MSM's memcachedNodes.
    nodes: object
    sticky: bool = True
    # Names of nodes.
    failover: str | None = None
    locking_mode: str | None = None
    # MSM's defaults are True and 100 ms; on a busy machine the latter moves nodes by itself.
    backup_async: bool | None = None
    backup_timeout: int | None = 2000
    operation_timeout: int | None = None
    ignore: str | None = r".*\.(ico|png|gif|jpg|css|js)$"
    serializer: str = "java"
    key_prefix: str | None = None
    # Further attributes of <Manager>.
    more: dict = dataclasses.field(default_factory=dict)

    needs_msm = True

    @property
    def nodes_text(self):
        """MSM's memcachedNodes."""
        if isinstance(self.nodes, str):
            return self.nodes
        return ",".join(node.msm_name for node in self.nodes)

    def xml(self):
        """Inside of Context."""
        return element("Manager", {
            "className": "de.javakaffee.web.msm.MemcachedBackupSessionManager",
            "memcachedNodes": self.nodes_text,
            "failoverNodes": self.failover,
            "sticky": self.sticky,
            "lockingMode": self.locking_mode,
            "sessionBackupAsync": self.backup_async,
            "sessionBackupTimeout": self.backup_timeout,
            "operationTimeout": self.operation_timeout,
            "requestUriIgnorePattern": self.ignore,
            "storageKeyPrefix": self.key_prefix,
            "transcoderFactoryClass": SERIALIZERS[self.serializer],
            **self.more,
        })


@dataclasses.dataclass(frozen=True)
class Persistent:
    """Tomcat's PersistentManager over a folder that all Tomcats share; the jvm route is rewritten at a take-over."""

    folder: str

    needs_msm = False

    def xml(self):
        """Inside of Context."""
        store = element("Store", {
            "className": "org.apache.catalina.session.FileStore",
            "directory": self.folder,
        })
        manager = element("Manager", {
            "className": "org.apache.catalina.session.PersistentManager",
            "saveOnRestart": True,
            "maxIdleBackup": 0,
        }, store)
        return (
            element("Valve", {"className": "org.apache.catalina.ha.session.JvmRouteBinderValve"})
            + element("Valve", {"className": "org.apache.catalina.valves.PersistentValve"})
            + manager
        )
