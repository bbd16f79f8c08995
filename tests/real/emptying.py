"""Tomcats that are emptied, restarted, and started: what administrators do, with real parts."""

import socket
import time

from bed import App, Browser, Msm, Standard, eventually
from crowd import COUNT, Crowd, Strangers, failed, lost, moved, warm_up
from scenarios import Scenario

USERS = 14
SESSION_IDLE = 5
# Seconds that a page takes where nothing is wrong, on a busy machine.
LONGEST = 0.9


class Emptying(Scenario):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        manager = Msm(list(cls.stores))
        apps = {"/shop": "shop", "/late": App("late", manager=Standard())}
        cls.tomcats = [cls.bed.tomcat9(name, manager=manager, apps=apps) for name in ("tomcat1", "tomcat2")]
        cls.bed.start(*cls.tomcats)
        warm_up(cls.tomcats)
        one, two = cls.tomcats
        n1, n2 = cls.stores
        cls.proxy = cls.bed.cattail(f"""
listeners:
  - address: 0.0.0.0:80
clusters:
  shop:
    session_idle: {SESSION_IDLE}s
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

    @staticmethod
    def wait_for_an_open_port(tomcat):
        """It takes connections, whether or not it answers."""

        def is_open():
            with socket.create_connection((tomcat.host, tomcat.port), 1):
                return True

        eventually(f"the port of {tomcat.name} is open", is_open)

    def enable(self, name, *words):
        self.command("enable", name, *words)
        self.command("wait", name, "--until", "up", "--deadline", "60s")

    def test_a_drain_ends_when_the_last_user_has_gone(self):
        with Crowd(self.proxy.address, USERS, forms=True) as crowd, Strangers(self.proxy.address) as strangers:
            crowd.wait_for_groups(3)
            ours = crowd.owned_by("tomcat1")
            self.assertGreaterEqual(len(ours), 3)
            # Not over while they are at it, which is longer than a session lives that nobody shows.
            self.command("drain", "tomcat1")
            began = time.monotonic()
            self.command("drain", "tomcat1", "--wait", "--deadline", "7s", code=3)
            crowd.wait_for_groups(3)
            drained = time.monotonic()
            for user in ours:
                user.leaves.set()
                crowd.wait_for_groups(1)
            # The others go on, and strangers come, until it ends by itself.
            said = self.command("drain", "tomcat1", "--wait", "--deadline", "60s")
            self.assertIn("0 sessions, 0 requests", said)
            last = max(one.ended for one in crowd.told if one.tomcat == "tomcat1")
            self.assertLess(drained, last)
            self.assertGreaterEqual(time.monotonic() - last, SESSION_IDLE)
        self.assertEqual(failed(crowd.told + strangers.told), [])
        self.assertEqual(lost(crowd.told), [])
        # Everybody stayed where they were, and those who came meanwhile went elsewhere.
        self.assertEqual(moved(crowd.told), [])
        came = {one.tomcat for one in strangers.told if began < one.sent < drained}
        self.assertEqual(came, {"tomcat2"})
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
        with Crowd(self.proxy.address, USERS, forms=True) as crowd, Strangers(self.proxy.address) as strangers:
            crowd.wait_for_groups(3)
            ours = {user.number for user in crowd.owned_by("tomcat1")}
            self.assertTrue(ours)
            # So that their sessions are elsewhere, whole, before it ends.
            self.command("evacuate", "tomcat1", "--rate", "1000", "--wait", "--deadline", "60s")
            one.kill()
            killed = time.monotonic()
            # Wanted while nobody listens, and while the port is open before the application is there.
            self.command("enable", "tomcat1", "--restarted")
            crowd.wait_for_groups(3)
            one.start()
            self.wait_for_an_open_port(one)
            opened = time.monotonic()
            one.wait_ready()
            serves = time.monotonic()
            self.command("wait", "tomcat1", "--until", "up", "--deadline", "60s")
            eventually("it serves strangers", lambda: strangers.told[-1].tomcat == "tomcat1")
            crowd.wait_for_groups(3)
        told = crowd.told + strangers.told
        self.assertEqual(failed(told), [])
        self.assertEqual(lost(crowd.told), [])
        # The kernel takes connections to an open port long before anything answers there: who was sent there had to wait.
        self.assertGreater(serves - opened, 2 * LONGEST)
        while_away = [it for it in told if killed < it.sent < serves - LONGEST]
        self.assertGreater(len(while_away), 100)
        self.assertEqual([it for it in while_away if it.tomcat == "tomcat1"], [])
        self.assertLess(max(it.seconds for it in told if it.sent > killed), LONGEST)

    def test_what_happened_is_told(self):
        self.command("drain", "tomcat2")
        self.command("enable", "tomcat2")
        # More than these four, since it may also be told that it is empty.
        told = self.command("events", "--last", "10")
        for text in ("ordered: draining (by 127.0.0.1)", "up -> draining: an administrator says so",
                     "left to the configuration again", "draining -> up: an administrator says so"):
            self.assertIn(f"shop/tomcat2: {text}", told)
