"""Facts about the sticky mode: take-over, copies in two Tomcats, when a session is stored and for how long."""

import time

from bed import eventually
from facts_world import Direct, Visitor, application, at_once, meanwhile, tomcat
from msm_value import count_in, read_value

SYNC = application("/sticky")
FORKED = application("/forked", "f1 f2")
# So that their sessions live shorter, and Tomcat looks for expired ones each second.
QUICK = {"processExpiresFrequency": 1}
DEFAULTS = application("/defaults")
CURED = application("/cured", context={"backgroundProcessorDelay": 1}, more=QUICK)
PLAIN = tuple(tomcat(name, None, [SYNC, CURED]) for name in ("plain1", "plain2"))


class Sticky(Direct):
    app = SYNC

    def routed(self, visitor, route):
        """The visitor's id with this jvm route."""
        return f"{visitor.base}-{visitor.node}.{route}"

    def life(self, session_id):
        """Seconds for which it is stored yet."""
        return self.store_of(session_id).life(session_id)


class TakeOver(Sticky):
    def test_the_old_key_is_deleted_at_once_and_the_new_one_written_at_the_end(self):
        visitor = self.visitor()
        with meanwhile(visitor.twin(self.two).do, "count,sleep:700") as answer:
            eventually("the old key is deleted", lambda: self.stored(visitor.id) is None, 5)
            self.assertFalse(answer.done())
            self.assertIsNone(self.stored(self.routed(visitor, "jvm2")))
        self.assertEqual(answer.result().new_id, self.routed(visitor, "jvm2"))
        self.assertIsNotNone(self.stored(self.routed(visitor, "jvm2")))

    def test_another_tomcat_finds_nothing_meanwhile_and_makes_a_new_session(self):
        visitor = self.visitor()
        with meanwhile(visitor.twin(self.two).session, "count,sleep:700") as survived:
            eventually("the old key is deleted", lambda: self.stored(visitor.id) is None, 5)
            late = visitor.twin(self.three)
            lost = late.session("count")
        self.assertEqual((lost["count"], lost["is_new"]), (1, True))
        self.assertNotEqual(late.base, visitor.base)
        self.assertEqual(survived.result()["count"], 2)

    def test_another_tomcat_finds_nothing_afterwards_either(self):
        visitor = self.visitor()
        visitor.twin(self.two).do("count")
        lost = visitor.session("count", at=self.three)
        self.assertTrue(lost["is_new"])

    def test_the_same_tomcat_serves_the_old_id_as_often_as_it_is_shown(self):
        for _ in range(10):
            visitor = self.visitor()
            twins = [visitor.twin(self.two) for _ in range(5)]
            answers = at_once(*(lambda twin=twin: twin.do("count") for twin in twins))
            self.assertEqual({answer.new_id for answer in answers}, {self.routed(visitor, "jvm2")})
            self.assertEqual({answer.json["session"]["is_new"] for answer in answers}, {False})
            self.assertEqual(visitor.twin(self.two).do("count").new_id, self.routed(visitor, "jvm2"))

    def test_the_first_requests_at_once_may_each_have_a_copy_of_their_own_even_at_one_tomcat(self):
        """The copy of the last one stays; what the others changed in theirs is forgotten."""
        visitor = self.visitor(FORKED)
        sessions = self.read_at_once(visitor, [self.two, self.two])
        self.assertEqual([session["count"] for session in sessions], [2, 2])
        self.assertEqual(visitor.session("read", at=self.two)["count"], 2)

    def test_two_tomcats_that_read_before_either_deletes_fork_the_session(self):
        visitor = self.visitor(FORKED)
        twins = [visitor.twin(), visitor.twin()]
        sessions = self.read_at_once(visitor, [self.two, self.three], twins)
        self.assertEqual([session["count"] for session in sessions], [2, 2])
        self.assertEqual([twin.id for twin in twins], [self.routed(visitor, "jvm2"), self.routed(visitor, "jvm3")])
        # Each goes on with a copy of its own.
        self.assertEqual([twin.session("count")["count"] for twin in twins], [3, 3])

    def read_at_once(self, visitor, tomcats, twins=None):
        """The visitor counts at these Tomcats; the store answers all of them when all have asked it for the session."""
        for one in tomcats:
            # Asked lately, it is not checked first whether the store is there.
            Visitor(one, FORKED, f"{'0' * 32}-{visitor.node}.jvm1").do("old")
        store = self.world.stores[visitor.node]
        twins = twins or [visitor.twin() for _ in tomcats]
        store.hang()
        with meanwhile(at_once, *(
            lambda twin=twin, one=one: twin.session("count", at=one) for twin, one in zip(twins, tomcats)
        )) as sessions:
            time.sleep(0.4)
            store.resume()
        return sessions.result()

    def test_it_happens_though_the_page_looks_at_no_session(self):
        visitor = self.visitor()
        self.assertEqual(visitor.do(at=self.two).new_id, self.routed(visitor, "jvm2"))

    def test_the_former_owner_goes_on_with_its_old_copy_when_the_session_comes_back(self):
        """The first request sees the session as it is, and whatever it changes is forgotten: the others see the old copy."""
        visitor = self.visitor()
        for _ in range(3):
            visitor.do("count", at=self.two)
        answer = visitor.do("count", at=self.one)
        self.assertEqual(answer.new_id, self.routed(visitor, "jvm1"))
        self.assertEqual(answer.json["session"]["count"], 5)
        self.assertEqual([visitor.session("count")["count"] for _ in range(2)], [2, 3])

    def test_the_former_owner_goes_on_with_its_old_copy_when_the_old_id_is_shown(self):
        visitor = self.visitor()
        early = visitor.twin()
        visitor.do("count", at=self.two)
        visitor.do("count")
        self.assertEqual(early.session("count")["count"], 2)

    def test_what_was_not_found_is_not_looked_for_again_for_half_a_second(self):
        for attempt in range(5):
            visitor = self.visitor()
            value = self.stored(visitor.id)
            store = self.world.stores[visitor.node]
            store.delete(visitor.id)
            began = time.monotonic()
            self.assertIsNone(visitor.session("old", at=self.two))
            store.put(visitor.id, value)
            again = visitor.session("old")
            if time.monotonic() - began < 0.45:
                break
        else:
            self.fail("five times too slow to tell")
        self.assertIsNone(again)
        eventually("it is found", lambda: visitor.session("old"), 5)
        self.assertGreater(time.monotonic() - began, 0.45)


class Backup(Sticky):
    def test_a_new_session_is_stored_though_nobody_looks_at_its_attributes(self):
        visitor = self.visitor(steps="session")
        self.assertIsNotNone(self.stored(visitor.id))

    def test_another_idle_time_is_stored_only_once_somebody_looks_at_an_attribute(self):
        visitor = self.visitor()
        before = self.stored(visitor.id)
        visitor.do("old,idle:600")
        self.assertEqual(self.stored(visitor.id), before)
        visitor.do("read")
        self.assertEqual(self.stored(visitor.id), before)
        visitor.do("count")
        self.assertEqual(read_value(self.stored(visitor.id)).idle, 600)

    def test_what_is_only_read_is_not_stored_again(self):
        visitor = self.visitor()
        before = self.stored(visitor.id)
        visitor.do("read")
        self.assertEqual(self.stored(visitor.id), before)
        visitor.do("count")
        self.assertNotEqual(self.stored(visitor.id), before)

    def test_the_longer_of_two_requests_at_once_stores_what_both_changed(self):
        visitor = self.visitor()
        with meanwhile(visitor.twin().do, "count,sleep:300"):
            visitor.do("count")
        taken = visitor.session("read", at=self.two)
        self.assertEqual(taken["count"], 3)

    def test_a_request_that_ends_with_another_one_may_not_be_stored(self):
        """Though MSM waits for its backups here. The store is behind until the session is changed again."""
        for _ in range(1000):
            visitor = self.visitor()
            twins = [visitor.twin() for _ in range(5)]
            at_once(*(lambda twin=twin: twin.do("hurry,count") for twin in twins))
            if count_in(self.stored(visitor.id)) < 6:
                break
        else:
            self.fail("each of 1000 groups of requests was stored whole")
        time.sleep(1)
        self.assertLess(count_in(self.stored(visitor.id)), 6)
        self.assertEqual(visitor.session("count")["count"], 7)
        self.assertEqual(count_in(self.stored(visitor.id)), 7)

    def test_it_is_stored_for_its_idle_time_less_six_seconds(self):
        visitor = self.visitor(DEFAULTS, "count,idle:100")
        self.assertIn(self.life(visitor.id), (93, 94))

    def test_what_is_read_all_the_time_vanishes_from_the_store_with_defaults(self):
        """With backgroundProcessorDelay it stays, see the other visitor."""
        loser = self.visitor(DEFAULTS, "count,idle:10")
        cured = self.visitor(CURED, "count,idle:5")
        self.assertIn(self.life(loser.id), (3, 4))
        self.assertIn(self.life(cured.id), (5, 6))
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            self.assertEqual(loser.session("read")["count"], 1)
            self.assertEqual(cured.session("read")["count"], 1)
            time.sleep(0.2)
        self.assertIsNone(self.stored(loser.id))
        self.assertIsNotNone(self.stored(cured.id))
        self.assertTrue(loser.session("read", at=self.two)["is_new"])
        self.assertEqual(cured.session("read", at=self.two)["count"], 1)


class WithoutJvmRoute(Sticky):
    def setUp(self):
        self.first, self.second = (self.world.tomcats[name] for name in PLAIN)

    def test_each_tomcat_has_a_copy_of_its_own_under_one_id(self):
        visitor = self.visitor(at=self.first)
        self.assertNotIn(".", visitor.id)
        answer = visitor.do("count", at=self.second)
        self.assertEqual((answer.new_id, answer.json["session"]["count"]), (None, 2))
        counts = [visitor.session("count", at=at)["count"] for at in (self.first, self.second, self.second, self.first)]
        self.assertEqual(counts, [2, 3, 4, 3])

    def test_a_copy_that_expires_takes_the_stored_one_along(self):
        visitor = self.visitor(CURED, "count,idle:3", at=self.first)
        time.sleep(2)
        # Lives for three more seconds here, and for as long in the store.
        visitor.do("count", at=self.second)
        self.assertIsNotNone(self.stored(visitor.id))
        eventually("the key is gone", lambda: self.stored(visitor.id) is None, 2.5)
        self.assertEqual(visitor.session("read", at=self.second)["count"], 2)
