"""Tomcats that are emptied, restarted, and started: what administrators do, with real parts."""

import threading

from bed import Browser, Msm, eventually
from scenarios import Scenario

COUNT = "/shop/count.jsp"
LOGOUT = "/shop/logout.jsp"


class Emptying(Scenario):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        manager = Msm(list(cls.stores))
        cls.tomcats = [cls.bed.tomcat9(name, manager=manager) for name in ("tomcat1", "tomcat2")]
        cls.bed.start(*cls.tomcats)
        one, two = cls.tomcats
        n1, n2 = cls.stores
        cls.proxy = cls.bed.cattail(f"""
listeners:
  - address: 0.0.0.0:80
clusters:
  shop:
    session_idle: 5s
    stores: {{ memcached: {{ n1: "{n1.address}", n2: "{n2.address}" }} }}
    health: {{ path: {COUNT.replace("count.jsp", "alive.css")}, interval: 200ms, rise: 1 }}
    slow_start: 0s
    backends:
      - {{ address: "{one.address}", jvm_route: tomcat1 }}
      - {{ address: "{two.address}", jvm_route: tomcat2 }}
""")

    def command(self, *words, code=0):
        said, ended = self.proxy.run(*words)
        self.assertEqual(ended, code, said)
        return said

    def visitor_of(self, name):
        browser = Browser(self.proxy.address)

        def there():
            browser.cookies.clear()
            return browser.get(COUNT).json["tomcat"] == name

        eventually(f"a session of {name}", there)
        return browser

    def enable(self, name, *words):
        self.command("enable", name, *words)
        self.command("wait", name, "--until", "up", "--deadline", "60s")

    def test_a_drain_ends_when_the_last_user_has_gone(self):
        stays, leaves = self.visitor_of("tomcat1"), self.visitor_of("tomcat1")
        over, failed = threading.Event(), []

        def browse():
            while not over.wait(0.2):
                answer = stays.get(COUNT)
                if (answer.status, answer.json["tomcat"]) != (200, "tomcat1"):
                    failed.append(answer)

        browsing = threading.Thread(target=browse)
        browsing.start()
        try:
            self.command("drain", "tomcat1", "--wait", "--deadline", "7s", code=3)
            # New visitors go elsewhere; whoever has logged out is new.
            self.assertEqual(leaves.get(LOGOUT).status, 200)
            leaves.cookies.clear()
            for _ in range(10):
                self.assertEqual(Browser(self.proxy.address).get(COUNT).json["tomcat"], "tomcat2")
        finally:
            over.set()
            browsing.join()
        self.assertEqual(failed, [])
        # Its last user has fallen silent for the time that a session lives.
        said = self.command("drain", "tomcat1", "--wait", "--deadline", "60s")
        self.assertIn("0 sessions, 0 requests", said)
        self.enable("tomcat1")

    def test_an_evacuated_session_goes_on_elsewhere_and_its_tomcat_may_be_killed(self):
        browser = self.visitor_of("tomcat1")
        before = browser.get(COUNT).json
        said = self.command("evacuate", "tomcat1", "--wait", "--deadline", "60s")
        self.assertIn("done", said)
        one = self.tomcats[0]
        one.kill()
        after = browser.get(COUNT).json
        self.assertEqual((after["tomcat"], after["created"]), ("tomcat2", before["created"]))
        self.assertEqual(after["count"], before["count"] + 1)
        one.restart()
        self.enable("tomcat1", "--restarted")

    def test_a_starting_tomcat_gets_no_request_before_its_application_answers(self):
        one = self.tomcats[0]
        self.command("disable", "tomcat1")
        one.kill()
        # Wanted while nobody listens, and while the port is open before the application is there.
        self.command("enable", "tomcat1", "--restarted")
        over, strange = threading.Event(), []

        def browse():
            while not over.is_set():
                answer = Browser(self.proxy.address).get(COUNT)
                if answer.status != 200:
                    strange.append(answer)

        browsing = threading.Thread(target=browse)
        browsing.start()
        try:
            one.restart()
            self.command("wait", "tomcat1", "--until", "up", "--deadline", "60s")
            eventually("it serves visitors", lambda: Browser(self.proxy.address).get(COUNT).json["tomcat"] == "tomcat1")
        finally:
            over.set()
            browsing.join()
        self.assertEqual(strange, [])

    def test_what_happened_is_told(self):
        self.command("drain", "tomcat2")
        self.command("enable", "tomcat2")
        told = self.command("events", "--last", "4")
        for text in ("ordered: draining (by 127.0.0.1)", "up -> draining: an administrator says so",
                     "left to the configuration again", "draining -> up: an administrator says so"):
            self.assertIn(f"shop/tomcat2: {text}", told)
