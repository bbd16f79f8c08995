"""S2: two Tomcats with non-sticky MSM and one store, behind nginx with weights on a port of its own."""

import re

from bed import Browser, Msm, eventually
from scenarios import Scenario, example

PATH = "/ShareSession/ShowSession"
ADDRESSES = ("10.104.37.25:8080", "10.104.42.64:8080")


class Shown:
    """What the page shows."""

    def __init__(self, answer):
        assert answer.status == 200, answer.text
        self.id, self.created, self.ip, self.name = re.search(
            r"Session ID: (\S+?)<.*Created on: (\d+)<.*Server IP: (\S+?)<.*Server Name: (\S+?)<", answer.text, re.DOTALL
        ).groups()


class S2(Scenario):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1")
        # The published JSP's manager: one store, nothing asynchronous, 100 ms.
        manager = Msm(list(cls.stores), sticky=False, backup_async=False, backup_timeout=1000, ignore=None)
        apps = {"/ShareSession": "share"}
        cls.plain = [cls.bed.tomcat9(f"p{number}", jvm_route=None, manager=manager, apps=apps) for number in (1, 2)]
        cls.routed = [cls.bed.tomcat9(f"tomcat{number}", manager=manager, apps=apps) for number in (1, 2)]
        cls.bed.start(*cls.plain, *cls.routed)
        cls.as_published = cls.bed.cattail(cls.text_of("s2-nginx-weighted.yaml", cls.plain))
        cls.as_recommended = cls.bed.cattail(cls.text_of("s2-recommended.yaml", cls.routed))

    @classmethod
    def text_of(cls, name, tomcats):
        """The example with the bed's addresses."""
        return example(name, dict(zip(ADDRESSES, (tomcat.address for tomcat in tomcats))))

    def test_as_published_the_server_alternates_and_the_session_stays(self):
        browser = Browser(self.as_published.address, host="share.example.com")
        shown = [Shown(browser.get(PATH)) for _ in range(6)]
        self.assertEqual([one.ip for one in shown[:2]] * 3, [one.ip for one in shown])
        self.assertEqual({one.ip for one in shown}, {tomcat.host for tomcat in self.plain})
        self.assertEqual({(one.id, one.created) for one in shown}, {(shown[0].id, shown[0].created)})
        self.assertRegex(shown[0].id, r"^[0-9A-F]{32}-n1$")
        # Host is kept.
        self.assertEqual(shown[0].name, "share.example.com")

    def test_a_page_without_a_character_set_gets_one(self):
        for proxy in (self.as_published, self.as_recommended):
            answer = Browser(proxy.address).get("/ShareSession/plain.html")
            self.assertEqual(answer.header("Content-Type"), "text/html; charset=utf-8")

    def test_as_published_the_session_lives_on_when_a_tomcat_dies(self):
        browser = Browser(self.as_published.address)
        first = Shown(browser.get(PATH))
        self.plain[0].kill()
        for _ in range(3):
            again = Shown(browser.get(PATH))
            self.assertEqual((again.ip, again.id, again.created), (self.plain[1].host, first.id, first.created))
        self.plain[0].restart()

        def alternates():
            return {Shown(browser.get(PATH)).ip for _ in range(2)} == {tomcat.host for tomcat in self.plain}

        eventually("both serve again", alternates)

    def test_as_recommended_the_session_stays_and_survives_its_tomcat(self):
        browser = Browser(self.as_recommended.address)
        first = Shown(browser.get(PATH))
        for _ in range(5):
            again = Shown(browser.get(PATH))
            self.assertEqual((again.ip, again.id, again.created), (first.ip, first.id, first.created))
        [owner] = [tomcat for tomcat in self.routed if tomcat.host == first.ip]
        [other] = [tomcat for tomcat in self.routed if tomcat is not owner]
        owner.kill()
        for _ in range(3):
            # Non-sticky MSM never changes the route.
            again = Shown(browser.get(PATH))
            self.assertEqual((again.ip, again.id, again.created), (other.host, first.id, first.created))
        owner.restart()
        self.as_recommended.wait_serving(owner.name)
        again = Shown(browser.get(PATH))
        self.assertEqual((again.id, again.created), (first.id, first.created))
