"""Facts about sessions that no store has, though all stores are up: sticky mode."""

from facts_world import Direct, Visitor, application, at_once, meanwhile, tomcat, visitor_at_node
from msm_value import count_in

STICKY = application("/copies")
EMPTIED = application("/copies-emptied", "x1 x2")
DOTTED = tomcat("copies-dotted", "f1.tomcat9", [STICKY])
STOPPED = tomcat("copies-stopped", "jvm5", [STICKY])
# More roles than fit into a principal of 32 KiB.
CROWDED = tomcat("copies-crowded", "jvm6", [STICKY], roles=tuple(f"role{number:05}" for number in range(4000)))


def last_count(visitor):
    """What a request that takes half a second counts; None if it is not answered."""
    try:
        return visitor.session(f"count,say:{visitor.base} counted,sleep:500")["count"]
    except OSError:
        return None


class Copies(Direct):
    app = STICKY

    def copies(self, visitor):
        """The keys of the session, at all nodes."""
        return {key for keys in self.keys_of(visitor).values() for key in keys}

    def test_a_rotated_session_has_no_copy_until_it_is_changed(self):
        """As a login of an application that changes nothing else. The old copy is deleted, and reading makes no new one."""
        visitor = self.visitor()
        before = visitor.id
        visitor.do("old,rotate")
        self.assertNotEqual(visitor.id, before)
        for steps in ("", "old", "read"):
            visitor.do(steps)
            self.assertIsNone(self.stored(before))
            self.assertEqual(self.copies(visitor), set())
        self.assertIsNone(visitor.twin(self.two).session("old"))
        visitor.do("count")
        self.assertEqual(self.copies(visitor), {visitor.id})

    def test_a_rotated_session_that_is_changed_or_logged_in_has_its_copy(self):
        for steps in ("old,rotate,count", "old,login"):
            with self.subTest(steps):
                visitor = self.visitor()
                visitor.do(steps)
                self.assertEqual(self.copies(visitor), {visitor.id})

    def test_a_take_over_by_a_jvm_route_with_a_dot_deletes_the_only_copy(self):
        visitor = self.visitor()
        before = visitor.id
        dotted = self.world.tomcats[DOTTED]
        self.assertEqual(visitor.session("count", at=dotted)["count"], 2)
        self.assertEqual(visitor.id, before.replace(".jvm1", ".f1.tomcat9"))
        self.assertEqual(self.copies(visitor), set())

    def test_a_node_that_was_emptied_gets_a_copy_of_what_is_changed_and_of_nothing_else(self):
        changed, read = (visitor_at_node(self.one, EMPTIED, "x1") for _ in range(2))
        node = self.world.x1
        node.flush()
        read.do("read")
        changed.do("count")
        self.assertEqual(set(node.keys()), {changed.id})

    def test_the_life_of_a_copy_is_the_idle_time_less_six_seconds_whatever_that_comes_to(self):
        """With Tomcat's defaults. 0 is for ever; less is the past; 30 days, from which memcached counts dates, are no bound."""
        days = 40 * 24 * 3600
        for idle, lives in (
            (5, (None,)), (6, (-1,)), (60, (54, 53)), (0, (-1,)), (-1, (-1,)), (days, range(days - 8, days - 4)),
        ):
            with self.subTest(idle):
                visitor = self.visitor(steps=f"session,idle:{idle},text:x")
                self.assertIn(self.store_of(visitor.id).life(visitor.id), lives)

    def test_what_requests_change_while_their_tomcat_stops_is_not_always_stored(self):
        """They are answered as if all were well, or not at all. MSM waits for its backups here."""
        stopped = self.world.tomcats[STOPPED]
        for _ in range(5):
            visitors = [self.visitor(at=stopped) for _ in range(10)]
            with meanwhile(at_once, *(lambda visitor=visitor: last_count(visitor.twin()) for visitor in visitors)) as answers:
                for number in range(len(visitors)):
                    stopped.wait_logged(f"{visitors[number].base} counted")
                stopped.ask_to_stop()
            stopped.wait_ended()
            stored = [count_in(self.stored(visitor.id)) for visitor in visitors]
            if (2, 1) in zip(answers.result(), stored):
                break
            stopped.restart()
        else:
            self.fail("five times all was stored")
        forgotten = visitors[list(zip(answers.result(), stored)).index((2, 1))]
        self.assertEqual(forgotten.session("read", at=self.one)["count"], 1)

    def test_a_principal_over_32_kib_can_be_written_and_not_read(self):
        """Lengths are signed numbers of 16 bits. Read as unsigned ones, all fields are there, up to 64 KiB."""
        crowded = self.world.tomcats[CROWDED]
        visitor = Visitor(crowded, STICKY)
        visitor.do("count")
        visitor.do("old,login,count")
        value = self.stored(visitor.id)
        length = int.from_bytes(value[46 + len(visitor.id):48 + len(visitor.id)], "big")
        self.assertGreater(length, 0x7FFF)
        attributes_at = int.from_bytes(value[2:4], "big")
        self.assertEqual(value[attributes_at:attributes_at + 4], b"\xac\xed\0\x05")
        self.assertEqual(visitor.session("count")["count"], 3)
        self.assertTrue(visitor.session("count", at=self.two)["is_new"])
