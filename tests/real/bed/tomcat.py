"""A real Tomcat: 9.0 of Maven Central or 10.1 of Debian, with a folder of its own."""

import dataclasses
import os
import urllib.request

from free_ports import free_port

from . import parts
from .manager import Standard, element
from .process import Process, eventually

# Private parts of the JDK that serializers reach into.
OPENED = (
    *(f"java.base/java.{package}" for package in
      ("lang", "lang.reflect", "io", "util", "util.concurrent", "text", "math", "net")),
    # XStream's converter of fonts, which it makes whether or not a session has one.
    "java.desktop/java.awt.font",
)
APPS = os.path.join(parts.REAL, "apps")
# Asked to find out whether a Tomcat serves: touches no session.
ALIVE = "alive.css"

PROPERTIES = """\
package.access=
package.definition=
common.loader="${catalina.base}/lib","${catalina.base}/lib/*.jar","${catalina.home}/lib","${catalina.home}/lib/*.jar"%s
server.loader=
shared.loader=
tomcat.util.scan.StandardJarScanFilter.jarsToSkip=*.jar
tomcat.util.buf.StringCache.byte.enabled=true
"""

# What Tomcat's own says of servlets, without a hundred types of files.
WEB_XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<web-app xmlns="%(namespace)s" version="%(version)s">
  <servlet>
    <servlet-name>default</servlet-name>
    <servlet-class>org.apache.catalina.servlets.DefaultServlet</servlet-class>
    <load-on-startup>1</load-on-startup>
  </servlet>
  <servlet>
    <servlet-name>jsp</servlet-name>
    <servlet-class>org.apache.jasper.servlet.JspServlet</servlet-class>
    <init-param><param-name>development</param-name><param-value>false</param-value></init-param>
    <load-on-startup>3</load-on-startup>
  </servlet>
  <servlet-mapping><servlet-name>default</servlet-name><url-pattern>/</url-pattern></servlet-mapping>
  <servlet-mapping><servlet-name>jsp</servlet-name><url-pattern>*.jsp</url-pattern></servlet-mapping>
  <session-config><session-timeout>30</session-timeout></session-config>
  <mime-mapping><extension>html</extension><mime-type>text/html</mime-type></mime-mapping>
  <mime-mapping><extension>css</extension><mime-type>text/css</mime-type></mime-mapping>
  <mime-mapping><extension>js</extension><mime-type>text/javascript</mime-type></mime-mapping>
  <mime-mapping><extension>png</extension><mime-type>image/png</mime-type></mime-mapping>
  <welcome-file-list><welcome-file>index.jsp</welcome-file></welcome-file-list>
</web-app>
"""

SPECIFICATIONS = {
    9: {"namespace": "http://xmlns.jcp.org/xml/ns/javaee", "version": "4.0"},
    10: {"namespace": "https://jakarta.ee/xml/ns/jakartaee", "version": "6.0"},
}

USERS = '<tomcat-users><user username="ada" password="secret" roles="%s"/></tomcat-users>\n'


@dataclasses.dataclass(frozen=True)
class App:
    """An application with a manager and attributes of <Context> of its own."""

    # Below tests/real/apps.
    folder: str
    # None: the Tomcat's.
    manager: object = None
    context: dict = dataclasses.field(default_factory=dict)


class Tomcat(Process):
    """One Tomcat. `apps` by context path: folders below tests/real/apps, or App."""

    def __init__(self, name, folder, *, version=9, host="127.0.0.1", jvm_route=None, by_property=False,
                 manager=None, apps=None, context=None, connector=None,
                 roles=("user",)):
        super().__init__(name, folder)
        self.version = version
        self.host = host
        self.port = free_port(host)
        self.jvm_route = jvm_route
        # Whether the route is told by the system property in place of <Engine>.
        self.by_property = by_property
        self.manager = manager or Standard()
        self.apps = {
            path: app if isinstance(app, App) else App(app)
            for path, app in (apps or {"/test": "test", "/shop": "shop"}).items()
        }
        # Further attributes.
        self.context = context or {}
        self.connector = connector or {}
        # Of its user.
        self.roles = roles
        self.base = os.path.join(folder, name)
        self._home = parts.parts().tomcat9 if version == 9 else parts.tomcat10()

    @property
    def address(self):
        """host:port."""
        return f"{self.host}:{self.port}"

    def start(self):
        self._lay_out()
        return super().start()

    def command(self):
        home, base = self._home, self.base
        route = [f"-DjvmRoute={self.jvm_route}"] if self.by_property else []
        # What the pages show, whatever Tomcat makes of the route.
        route.append(f"-Dtomcat.name={self.name}")
        return [
            parts.tool("java"), "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
            *(f"--add-opens={package}=ALL-UNNAMED" for package in OPENED),
            "-Djava.util.logging.manager=org.apache.juli.ClassLoaderLogManager",
            f"-Djava.util.logging.config.file={base}/conf/logging.properties",
            "-Djava.net.preferIPv4Stack=true", "-Djava.security.egd=file:/dev/urandom", *route,
            "-cp", f"{home}/bin/bootstrap.jar:{home}/bin/tomcat-juli.jar",
            f"-Dcatalina.home={home}", f"-Dcatalina.base={base}", f"-Djava.io.tmpdir={base}/temp",
            "org.apache.catalina.startup.Bootstrap", "start",
        ]

    def is_ready(self):
        """Every application serves its file."""
        for path in self.apps:
            with urllib.request.urlopen(f"http://{self.address}{path}/{ALIVE}", timeout=5) as answer:
                answer.read()
        return True

    def _manager_of(self, app):
        return app.manager or self.manager

    def _lay_out(self):
        for part in ("conf", "lib", "logs", "temp", "webapps", "work"):
            os.makedirs(os.path.join(self.base, part), exist_ok=True)
        msm = f',"{parts.parts().msm}/*.jar"' if any(self._manager_of(app).needs_msm for app in self.apps.values()) else ""
        self._write("catalina.properties", PROPERTIES % msm)
        self._write("logging.properties", ".level=INFO\nhandlers=java.util.logging.ConsoleHandler\n"
                    "java.util.logging.ConsoleHandler.formatter=org.apache.juli.OneLineFormatter\n")
        self._write("web.xml", WEB_XML % SPECIFICATIONS[self.version])
        self._write("tomcat-users.xml", USERS % ",".join(self.roles))
        self._write("server.xml", self._server_xml())

    def _server_xml(self):
        contexts = "".join(
            element("Context", {
                "path": path,
                "docBase": os.path.join(APPS, app.folder),
                **self.context,
                **app.context,
            }, self._manager_of(app).xml())
            for path, app in self.apps.items()
        )
        host = element("Host", {
            "name": "localhost", "appBase": "webapps", "autoDeploy": False, "deployOnStartup": False,
            "unpackWARs": False,
        }, contexts)
        realm = element("Realm", {"className": "org.apache.catalina.realm.MemoryRealm"})
        route = None if self.by_property else self.jvm_route
        engine = element("Engine", {"name": "Catalina", "defaultHost": "localhost", "jvmRoute": route}, realm + host)
        connector = element("Connector", {
            "protocol": "HTTP/1.1", "address": self.host, "port": self.port, "maxThreads": 100,
            **self.connector,
        })
        service = element("Service", {"name": "Catalina"}, connector + engine)
        return element("Server", {"port": -1, "shutdown": "none"}, service)

    def _write(self, name, text):
        with open(os.path.join(self.base, "conf", name), "w", encoding="utf-8") as file:
            file.write(text)

    def wait_logged(self, text, patience=20.0):
        """Waits until it has logged this."""

        def logged():
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return text in file.read()

        eventually(f"{self.name} logs {text!r}", logged, patience)
