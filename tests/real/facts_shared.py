"""Facts about the non-sticky mode: where copies are, who waits for whom, what is locked."""

import time

from bed import eventually
from facts_world import Direct, application, at_once, meanwhile
from msm_value import read_validity

FREE = application("/free", sticky=False)
REDIS = application("/free-redis", "redis", sticky=False)
ALL = application("/all", sticky=False, locking_mode="all", operation_timeout=600)
AUTO = application("/auto", sticky=False, locking_mode="auto", operation_timeout=600)
URI = application("/uri", sticky=False, locking_mode="uriPattern:GET /uri/do/cart", operation_timeout=600)
# MSM says itself that this makes no sense.
FAILOVER = application("/free-failover", sticky=False, failover="n2")


class Shared(Direct):
    app = FREE

    def stores(self, visitor):
        """The store of the session, and the other one."""
        other = {"n1": "n2", "n2": "n1"}[visitor.node]
        return self.world.stores[visitor.node], self.world.stores[other]


class Copies(Shared):
    def test_the_id_and_its_jvm_route_never_change(self):
        visitor = self.visitor()
        for at in (self.two, self.one, self.two):
            self.assertIsNone(visitor.do("count", at=at).new_id)
        self.assertEqual(visitor.session("read")["count"], 4)
        self.assertTrue(visitor.id.endswith(".jvm1"))

    def test_session_and_validity_lie_at_the_node_of_the_id_and_once_more_at_the_next_one(self):
        visitor = self.visitor()
        own, other = self.stores(visitor)
        eventually("both copies are stored", lambda: f"bak:validity:{visitor.id}" in other.keys(), 5)
        self.assertEqual({key for key in own.keys() if visitor.base in key}, {visitor.id, f"validity:{visitor.id}"})
        self.assertEqual({key for key in other.keys() if visitor.base in key},
                         {f"bak:{visitor.id}", f"bak:validity:{visitor.id}"})
        self.assertEqual(own.get(visitor.id), other.get(f"bak:{visitor.id}"))

    def test_redis_has_no_second_copy(self):
        visitor = self.visitor(REDIS)
        self.assertEqual({key for key in self.world.redis.keys() if visitor.base in key},
                         {visitor.id, f"validity:{visitor.id}"})

    def test_the_validity_lives_as_long_as_the_session_and_the_value_twice_as_long(self):
        visitor = self.visitor(steps="count,idle:100")
        own, other = self.stores(visitor)
        eventually("both copies are stored", lambda: f"bak:validity:{visitor.id}" in other.keys(), 5)
        for store, prefix in ((own, ""), (other, "bak:")):
            self.assertIn(store.life(f"{prefix}{visitor.id}"), (199, 200))
            self.assertIn(store.life(f"{prefix}validity:{visitor.id}"), (99, 100))

    def test_each_request_renews_the_validity_and_only_a_change_the_value(self):
        visitor = self.visitor(steps="count,text:x,idle:100")
        own, _ = self.stores(visitor)
        value, validity = own.get(visitor.id), own.get(f"validity:{visitor.id}")
        for steps in ("read", "old", ""):
            with self.subTest(steps):
                visitor.do(steps)
                self.assertEqual(own.get(visitor.id), value)
                renewed = own.get(f"validity:{visitor.id}")
                self.assertGreater(read_validity(renewed)[2], read_validity(validity)[2])
                validity = renewed
        self.assertEqual(read_validity(validity)[0], 100)

    def test_an_expired_session_is_there_yet_and_not_valid(self):
        visitor = self.visitor(steps="count,idle:3")
        own, _ = self.stores(visitor)
        eventually("the validity is over", lambda: own.get(f"validity:{visitor.id}") is None, 5)
        time.sleep(1)
        self.assertIsNotNone(own.get(visitor.id))
        self.assertTrue(visitor.session("read")["is_new"])

    def test_without_its_validity_a_session_is_as_old_as_its_last_change(self):
        loser = self.visitor(steps="count,text:x,idle:3")
        winner = self.visitor(steps="count,text:x,idle:3")
        time.sleep(2)
        self.assertFalse(loser.session("read")["is_new"])
        self.assertFalse(winner.session("read")["is_new"])
        own, _ = self.stores(loser)
        own.delete(f"validity:{loser.id}")
        time.sleep(1.2)
        self.assertTrue(loser.session("read")["is_new"])
        self.assertFalse(winner.session("read")["is_new"])
        # While the last change is young, nothing is missed.
        own, _ = self.stores(young := self.visitor())
        own.delete(f"validity:{young.id}")
        self.assertFalse(young.session("read")["is_new"])

    def test_no_tomcat_keeps_a_session_after_its_request(self):
        visitor = self.visitor()
        own, _ = self.stores(visitor)
        own.delete(visitor.id)
        self.assertTrue(visitor.session("read")["is_new"])

    def test_with_failover_nodes_there_is_no_second_copy(self):
        visitors = [self.visitor(FAILOVER) for _ in range(3)]
        time.sleep(0.5)
        for visitor in visitors:
            keys = [key for store in self.stores(visitor) for key in store.keys() if visitor.base in key]
            self.assertEqual([key for key in keys if key.startswith("bak:")], [])


class Locks(Shared):
    def counted_at_once(self, app, path="/do"):
        """What two Tomcats count at once in one session that begins with 1."""
        visitor = self.visitor(app, "count,text:x")
        steps = "read,sleep:300,count"
        at_once(lambda: visitor.twin(self.one).do(steps, path=path), lambda: visitor.twin(self.two).do(steps, path=path))
        return visitor.session("read")["count"]

    def lock(self, visitor):
        """The lock of the session: value and life; None if it is not locked."""
        store, _ = self.stores(visitor)
        life = store.life(f"lock:{visitor.id}")
        return None if life is None else (store.get(f"lock:{visitor.id}"), life)

    def test_without_locks_two_tomcats_overwrite_each_other(self):
        self.assertEqual(self.counted_at_once(FREE), 2)

    def test_without_locks_requests_at_one_tomcat_share_the_session(self):
        visitor = self.visitor()
        steps = "count,sleep:100"
        at_once(*(lambda: visitor.twin().do(steps) for _ in range(3)))
        self.assertEqual(visitor.session("read")["count"], 4)

    def test_all_locks_each_request(self):
        self.assertEqual(self.counted_at_once(ALL), 3)

    def test_a_lock_is_a_key_at_the_node_of_the_session_for_five_seconds(self):
        visitor = self.visitor(ALL)
        with meanwhile(visitor.twin().do, "read,sleep:300"):
            eventually("it is locked", lambda: self.lock(visitor), 5)
            self.assertIn(self.lock(visitor), [(b"locked", 4), (b"locked", 5)])
        eventually("it is released", lambda: self.lock(visitor) is None, 5)

    def test_a_request_that_waits_in_vain_goes_on_without_the_lock(self):
        visitor = self.visitor(ALL)
        with meanwhile(visitor.twin(self.one).do, "count,sleep:2500") as first:
            eventually("it is locked", lambda: self.lock(visitor), 5)
            began = time.monotonic()
            self.assertEqual(visitor.session("count", at=self.two)["count"], 2)
            waited = time.monotonic() - began
            self.assertFalse(first.done())
        # The time-out is 600 ms; it is looked at after waits of up to half a second.
        self.assertGreater(waited, 0.6)
        self.assertEqual(visitor.session("read")["count"], 2)

    def test_auto_locks_what_it_has_not_seen_read_only(self):
        visitor = self.visitor(AUTO, "count,text:x")
        with meanwhile(visitor.twin().do, "read,sleep:200", None, "/do/look"):
            eventually("it is locked", lambda: self.lock(visitor), 5)
        with meanwhile(visitor.twin().do, "read,sleep:200", None, "/do/look") as second:
            while not second.done():
                self.assertIsNone(self.lock(visitor))
        self.assertEqual(self.counted_at_once(AUTO, "/do/change"), 3)

    def test_a_pattern_locks_what_matches_it_as_a_whole(self):
        for path, locks in (("/do/cart", True), ("/do/cart?x=1", False), ("/do/cart/2", False)):
            with self.subTest(path):
                visitor = self.visitor(URI)
                with meanwhile(visitor.twin().do, "read,sleep:250", None, path) as answer:
                    seen = False
                    while not answer.done():
                        seen = seen or self.lock(visitor) is not None
                self.assertEqual(seen, locks)
