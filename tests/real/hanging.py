"""A Tomcat that hangs: it accepts, and says nothing, while users ask side by side and send forms."""

import json
import time

from bed import Msm, eventually
from crowd import Crowd, Strangers, failed, lost, warm_up
from scenarios import Scenario

INTERVAL, TIMEOUT, FALL = 1.0, 1.0, 2
# It hangs right after it passed: a whole interval, and then each failure takes its time-out.
NOTICE = INTERVAL + FALL * max(INTERVAL, TIMEOUT)
RESPONSE = 6.0
# What the proxy's clock, the other Tomcat and this machine may add.
MARGIN = 0.5
USERS = 18


class Hanging(Scenario):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        manager = Msm(list(cls.stores))
        cls.tomcats = [cls.bed.tomcat9(name, manager=manager) for name in ("tomcat1", "tomcat2", "tomcat3")]
        cls.bed.start(*cls.tomcats)
        warm_up(cls.tomcats)
        nodes = ", ".join(f'{it.name}: "{it.address}"' for it in cls.stores)
        backends = "\n".join(f'      - {{ address: "{it.address}", jvm_route: {it.name} }}' for it in cls.tomcats)
        cls.proxy = cls.bed.cattail(f"""
listeners:
  - address: 0.0.0.0:80
clusters:
  shop:
    stores: {{ memcached: {{ {nodes} }} }}
    health: {{ path: /shop/alive.css, interval: {INTERVAL * 1000:.0f}ms, timeout: {TIMEOUT * 1000:.0f}ms, fall: {FALL}, rise: 2 }}
    timeouts: {{ response: {RESPONSE * 1000:.0f}ms }}
    slow_start: 0s
    backends:
{backends}
""")

    def status(self, name):
        """How the proxy says that a backend stands."""
        said, code = self.proxy.run("status", "--format", "json")
        self.assertEqual(code, 0, said)
        return next(it for it in json.loads(said)["clusters"][0]["backends"] if it["name"] == name)

    def test_a_hanging_tomcat_costs_nobody_more_than_the_check_needs_to_notice(self):
        victim = self.tomcats[0]
        for tomcat in self.tomcats:
            self.proxy.wait_serving(tomcat.name)
        with Crowd(self.proxy.address, USERS, forms=True) as crowd, Strangers(self.proxy.address) as strangers:
            crowd.wait_for_groups(10)
            held = {user.number for user in crowd.owned_by(victim.name)}
            self.assertGreaterEqual(len(held), 3)
            calm = list(crowd.told)
            hung = time.monotonic()
            victim.hang()
            try:
                eventually("it is out", lambda: self.status(victim.name)["state"] == "down", NOTICE + MARGIN + 5)
                stand = self.status(victim.name)
                # Beyond the end of every form that waits at it, and on with pages elsewhere.
                eventually("all forms have ended", lambda: time.monotonic() > hung + NOTICE + RESPONSE + 2 * MARGIN)
            finally:
                resumed = time.monotonic()
                victim.resume()
            eventually("it is back", lambda: self.status(victim.name)["state"] == "up", 30)
            back = time.monotonic() - resumed
            crowd.wait_for_groups(10)
            eventually("it serves strangers", lambda: strangers.told[-1].tomcat == victim.name)
        self.assertEqual(failed(calm), [])
        since = [one for one in crowd.told if one.ended >= hung]
        self.expect_pages(since, held, (hung, victim.name))
        self.expect_forms(since, held)
        self.assertEqual(lost(crowd.told), [])
        self.assertEqual(failed(strangers.told), [])
        self.expect_no_longer(strangers.told, NOTICE + MARGIN)
        self.assertEqual((stand["state"], stand["cause"]), ("down", "check_failed"))
        told, _ = self.proxy.run("events", "--last", "20")
        self.assertIn("shop/tomcat1: up -> down", told)
        self.assertIn("shop/tomcat1: down -> up", told)
        # Two checks in a row; the first comes within an interval, and what waited at the Tomcat is worked off meanwhile.
        self.assertLess(back, 2 * INTERVAL + MARGIN)

    def expect_pages(self, since, held, hang):
        """None fails, none waits long, and each session goes on at one Tomcat."""
        began, victim = hang
        pages = [one for one in since if one.method == "GET"]
        self.assertEqual(failed(pages), [])
        self.expect_no_longer(pages, NOTICE + MARGIN)
        waited = [one for one in pages if one.browser in held and one.seconds > 0.2]
        # Else nothing was at stake.
        self.assertTrue(waited)
        for number in held:
            mine = [one for one in pages if one.browser == number and one.sent > began]
            elsewhere = [one for one in mine if one.tomcat != victim]
            went = {one.tomcat for one in elsewhere}
            self.assertEqual(len(went), 1, f"browser {number}: {went}")
            # What the victim holds is old by now: it stays where it went.
            moved = min(one.ended for one in elsewhere)
            self.assertEqual([one for one in mine if one.sent > moved and one.tomcat == victim], [])

    def expect_forms(self, since, held):
        """What may not be repeated is an error at most once for each session of the Tomcat, and no longer than the time-out."""
        forms = [one for one in since if one.method == "POST"]
        errors = [one.browser for one in failed(forms)]
        self.assertTrue(errors)
        self.assertEqual(sorted(set(errors) - held), [])
        self.assertEqual(len(errors), len(set(errors)), errors)
        self.assertEqual({one.status for one in failed(forms)}, {504})
        self.expect_no_longer(forms, RESPONSE + MARGIN)
        self.expect_no_longer([one for one in forms if one.browser not in held], NOTICE)

    def expect_no_longer(self, told, most):
        """Nobody waited longer."""
        longest = max(told, key=lambda one: one.seconds)
        print(f"  the longest of {len(told)} waits: {longest.seconds:.2f} s of at most {most:.2f} s ({longest.method})", flush=True)
        self.assertLessEqual(longest.seconds, most, longest)
