"""The bed itself: what other tests rely on without looking."""

import unittest

from bed import Bed, Browser, Msm, PartError, eventually, on_loopback


class TheBed(unittest.TestCase):
    def test_private_addresses_never_reach_a_proxy(self):
        text = "backends:\n  - 10.0.0.32:8080  # as 10.0.0.1:80\n"
        self.assertEqual(on_loopback(text, {"10.0.0.32:8080": "127.0.0.2:1"}).split()[2], "127.0.0.2:1")
        with self.assertRaisesRegex(PartError, "10.0.0.32:8080"):
            on_loopback(text, {})
        with self.assertRaisesRegex(PartError, "10.0.0.33"):
            on_loopback(text, {"10.0.0.33:8080": "127.0.0.2:1"})

    def test_the_page_of_a_login_keeps_the_session_in_the_store(self):
        """Where no login is configured, MSM never stores a session that has logged in."""
        with Bed() as bed:
            [node] = bed.memcacheds("n1")
            [tomcat] = bed.start(bed.tomcat9("jvm1", manager=Msm([node])))
            browser = Browser(tomcat.address)
            browser.get("/shop/count.jsp")
            self.assertEqual(browser.get("/shop/login.jsp?user=ada&password=secret").json["user"], "ada")
            browser.get("/shop/count.jsp")
            eventually("the copy", lambda: browser.id in node.keys(), 10)
