"""What the tests of the published set-ups share: their pages, and the parts named in their write-ups."""

import os
import re
import unittest

from bed import Bed, Browser, eventually, on_loopback
from bed.parts import ROOT


def raw_example(name):
    """A file of examples/ as it is."""
    with open(os.path.join(ROOT, "examples", name), encoding="utf-8") as file:
        return file.read()


def example(name, addresses):
    """A file of examples/ with its private addresses replaced."""
    return on_loopback(raw_example(name), addresses)


class Page:
    """The page of S1: who answered, and which session it knows."""

    def __init__(self, answer):
        assert answer.status == 200, f"status {answer.status}: {answer.text[:300]}"
        self.title = re.search(r"<title>(\w+)</title>", answer.text)[1]
        self.id = re.search(r"Session ID</td><td>([^<]+)<", answer.text)[1]
        self.created = re.search(r"Created on</td><td>(\d+)<", answer.text)[1]

    @property
    def base(self):
        """The stable part of the id."""
        return self.id.split("-")[0].split(".")[0]


def page(browser, path="/test/"):
    """A reload."""
    return Page(browser.get(path))


class Scenario(unittest.TestCase):
    """One bed for all tests of a class; each leaves it as it was: everything runs."""

    @classmethod
    def setUpClass(cls):
        cls.bed = Bed()
        cls.addClassCleanup(cls.bed.end)
        try:
            cls.lay_out()
        except Exception:
            cls.bed.show()
            raise

    @classmethod
    def lay_out(cls):
        """Makes the parts."""
        raise NotImplementedError

    def setUp(self):
        def show():
            outcome = self._outcome.result
            if any(test is self for test, _ in outcome.failures + outcome.errors):
                self.bed.show()

        self.addCleanup(show)

    def expect_alternation(self, proxy):
        """Each reload changes the Tomcat; id and time of creation stay."""
        browser = Browser(proxy.address)
        # The copy is written after the answer: who reloads within a millisecond finds no session at the other Tomcat.
        first = page(browser)
        eventually("the copy is stored", lambda: self.is_stored(first.id), 10)
        pages = [page(browser) for _ in range(6)]
        self.assertEqual({one.title for one in pages}, {"TomcatA", "TomcatB"})
        self.assertEqual([one.title for one in pages[::2]], [pages[0].title] * 3)
        self.assertEqual([one.title for one in pages[1::2]], [pages[1].title] * 3)
        self.assertEqual({(one.id, one.created) for one in pages}, {(first.id, first.created)})

    def expect_to_stay(self, browser, first, path="/test/", times=5):
        """Each reload is answered by the same Tomcat, with the same session."""
        for _ in range(times):
            again = page(browser, path)
            self.assertEqual((again.title, again.id, again.created), (first.title, first.id, first.created))

    def expect_survival(self, proxy, tomcats, path="/test/"):
        """A session whose Tomcat is killed goes on at the other, and stays there when the first is back.

        `tomcats`: title, Tomcat and name of its backend, by jvm route.
        """
        browser = Browser(proxy.address)
        first = page(browser, path)
        self.expect_to_stay(browser, first, path)
        route = first.id.split(".", 1)[1]
        title, owner, backend = tomcats[route]
        [(other_route, (other_title, _, _))] = [it for it in tomcats.items() if it[0] != route]
        self.assertEqual(first.title, title)
        eventually("the copy is stored", lambda: self.is_stored(first.id), 10)
        owner.kill()
        moved = page(browser, path)
        self.assertEqual((moved.title, moved.base, moved.created), (other_title, first.base, first.created))
        self.assertTrue(moved.id.endswith(f".{other_route}"), moved.id)
        self.expect_to_stay(browser, moved, path)
        owner.restart()
        proxy.wait_serving(backend)
        self.expect_to_stay(browser, moved, path)
        self.expect_new_sessions_at_both(proxy, path)

    def expect_new_sessions_at_both(self, proxy, path="/test/"):
        """New visitors come to both Tomcats."""

        def both():
            return {page(Browser(proxy.address), path).title for _ in range(6)} == {"TomcatA", "TomcatB"}

        eventually("both get new sessions", both, 60)

    def is_stored(self, full_id):
        """Whether some store has the copy."""
        return any(full_id in store.keys() for store in self.stores if store.is_running)

    def restart_store(self, store, *tomcats):
        """A store that was killed is back, and every Tomcat uses it again for new sessions."""
        if not store.is_running:
            store.restart()
        for tomcat in tomcats:
            path = "/test/" if "/test" in tomcat.apps else "/shop/count.jsp"
            eventually(f"{tomcat.name} uses {store.name} again",
                       lambda: f"-{store.name}" in self.new_id(tomcat, path), 90)

    @staticmethod
    def new_id(tomcat, path):
        """Of a new session of this Tomcat's."""
        browser = Browser(tomcat.address)
        browser.get(path)
        return browser.id

    def expect_no_session_of_static_files(self, browser, path):
        """A static file touches no session."""
        before = browser.id
        answer = browser.get(path)
        self.assertEqual((answer.status, answer.all("Set-Cookie")), (200, []))
        self.assertEqual(browser.id, before)
