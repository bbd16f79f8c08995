"""Facts about MSM's requestUriIgnorePattern: what it ignores, and what ignored requests do all the same."""

import time

from bed import Browser, eventually
from facts_world import Direct, Visitor, application

STICKY = application("/ignoring")
QUICK = application("/ignoring-quick", context={"backgroundProcessorDelay": 1}, more={"processExpiresFrequency": 1})
SHARED = application("/ignoring-shared", sticky=False)
# The bed's pattern is .*\.(ico|png|gif|jpg|css|js)$
IGNORED = "/do/x.css"


class Pattern(Direct):
    def test_it_must_fit_the_whole_of_the_path_and_the_query(self):
        for path, is_ignored in ((IGNORED, True), (f"{IGNORED}?v=1", False), ("/do/x.css/y", False)):
            with self.subTest(path):
                visitor = self.visitor(STICKY)
                answer = visitor.do(at=self.two, path=path)
                self.assertEqual(answer.new_id is None, is_ignored)

    def test_the_query_of_a_post_is_not_looked_at(self):
        visitor = self.visitor(STICKY)
        self.assertIsNone(visitor.do(at=self.two, path=f"{IGNORED}?v=1", method="POST").new_id)


class StickyMode(Direct):
    app = STICKY

    def file(self, visitor, at, app=STICKY):
        """The visitor's browser gets a file of this Tomcat; no page of it runs."""
        browser = Browser(at.address)
        browser.id = visitor.id
        answer = browser.get(f"{app}/alive.css")
        self.assertEqual((answer.status, answer.new_id), (200, None))

    def test_an_ignored_request_takes_nothing_over_and_sees_the_session(self):
        visitor = self.visitor()
        answer = visitor.do("count", at=self.two, path=IGNORED)
        self.assertEqual((answer.new_id, answer.json["session"]["count"]), (None, 2))
        self.assertEqual(visitor.session("read", at=self.one)["count"], 1)

    def test_what_an_ignored_request_changes_is_not_stored(self):
        visitor = self.visitor()
        before = self.stored(visitor.id)
        visitor.do("count", path=IGNORED)
        self.assertEqual(self.stored(visitor.id), before)
        self.assertEqual(visitor.session("read")["count"], 2)

    def test_a_session_that_an_ignored_request_makes_is_stored_by_the_next_one(self):
        visitor = Visitor(self.one, STICKY)
        visitor.do("count", path=IGNORED)
        self.assertIsNone(self.stored(visitor.id))
        visitor.do("count")
        self.assertIsNotNone(self.stored(visitor.id))

    def test_a_file_from_another_tomcat_leaves_a_copy_there_that_a_take_over_trusts(self):
        """The session goes on as it was when the file was fetched; what happened since is forgotten."""
        visitor, careful = self.visitor(), self.visitor()
        self.file(visitor, self.two)
        for _ in range(3):
            visitor.do("count")
            careful.do("count")
        self.assertEqual(careful.session("count", at=self.two)["count"], 5)
        self.assertEqual(visitor.session("count", at=self.two)["count"], 2)

    def test_a_file_from_another_tomcat_takes_the_stored_session_along_when_its_copy_expires(self):
        visitor, careful = self.visitor(QUICK, "count,idle:3"), self.visitor(QUICK, "count,idle:3")
        self.file(visitor, self.two, QUICK)
        time.sleep(2)
        for one in (visitor, careful):
            one.do("count")
        eventually("the stored session is gone", lambda: self.stored(visitor.id) is None, 2.5)
        self.assertIsNotNone(self.stored(careful.id))
        self.assertEqual(visitor.session("read")["count"], 2)


class SharedMode(Direct):
    app = SHARED

    def test_an_ignored_request_sees_no_session(self):
        visitor = self.visitor()
        self.assertIsNone(visitor.session("old", path=IGNORED))

    def test_a_session_that_an_ignored_request_makes_takes_the_place_of_the_users_and_is_lost_itself(self):
        visitor = self.visitor()
        before = visitor.base
        self.assertTrue(visitor.session("count", path=IGNORED)["is_new"])
        self.assertNotEqual(visitor.base, before)
        self.assertTrue(visitor.session("count")["is_new"])
