"""Facts about ids and keys: what is in them, what breaks them."""

import hashlib

from bed import eventually
from facts_world import Bare, Dashed, Direct, application, base_of, node_of, tomcat

STICKY = application("/ids")
SHARED = application("/ids-shared", sticky=False)
BARE = application("/bare", "n1", manager=Bare)
NAMED = application("/named", "n1")
REDIS = application("/ids-redis", "redis")
DASHES = application("/dashes", manager=Dashed)
PREFIXES = {
    "x_": application("/fixed", key_prefix="static:x"),
    "localhost_": application("/host", key_prefix="host"),
    "/path_": application("/path", key_prefix="context"),
    "001_": application("/versioned", context={"webappVersion": "001"}),
}
HASHES = application("/hashes", key_prefix="static:x,host.hash,context.hash,webappVersion", sticky=False)
DASH_IN_PREFIX = application("/my-app", key_prefix="context")
DOTTED = tuple(tomcat(f"dotted{number}", f"f1.tomcat{number}", [STICKY, SHARED]) for number in (1, 2))
BY_PROPERTY = tomcat("property", "jvm-7", [STICKY], by_property=True)


def hashed(text):
    """As the .hash parts of a prefix."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class Ids(Direct):
    app = STICKY

    def test_the_node_stands_before_the_first_dot_and_the_base_is_32_hex_digits(self):
        self.assertRegex(self.visitor().id, r"^[0-9A-F]{32}-n[12]\.jvm1$")
        self.assertRegex(self.visitor(NAMED).id, r"^[0-9A-F]{32}-n1\.jvm1$")

    def test_a_single_store_without_a_name_and_redis_are_not_in_the_id(self):
        for app in (BARE, REDIS):
            with self.subTest(app):
                visitor = self.visitor(app)
                self.assertRegex(visitor.id, r"^[0-9A-F]{32}\.jvm1$")
                self.assertEqual(visitor.do("count", at=self.two).new_id, f"{visitor.base}.jvm2")

    def test_a_jvm_route_by_system_property_is_as_good(self):
        visitor = self.visitor(at=self.world.property)
        self.assertTrue(visitor.id.endswith(".jvm-7"))
        answer = visitor.do("count", at=self.one)
        self.assertEqual((answer.new_id, answer.json["session"]["count"]), (f"{visitor.base}-{visitor.node}.jvm1", 2))

    def test_a_jvm_route_with_a_dot_keeps_sessions_out_of_the_store(self):
        first, second = (self.world.tomcats[name] for name in DOTTED)
        visitor = self.visitor(at=first)
        self.assertEqual(self.keys_of(visitor), {"n1": set(), "n2": set()})
        # At its own Tomcat all is well.
        self.assertEqual(visitor.session("count")["count"], 2)
        self.assertTrue(visitor.session("count", at=second)["is_new"])

    def test_a_jvm_route_with_a_dot_makes_each_request_a_new_session_in_the_other_mode(self):
        visitor = self.visitor(SHARED, at=self.world.tomcats[DOTTED[0]])
        for _ in range(2):
            base = visitor.base
            self.assertTrue(visitor.session("count")["is_new"])
            self.assertNotEqual(visitor.base, base)

    def test_a_base_with_dashes_is_cut_at_the_first_one(self):
        """What is left of a UUID are eight digits, which can be guessed."""
        visitor = self.visitor(DASHES)
        born = visitor.id
        self.assertRegex(born, r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-n[12]\.jvm1$")
        self.assertEqual(self.keys_of(visitor), {"n1": set(), "n2": set()})
        told = visitor.do("count").new_id
        self.assertRegex(told, rf"^{base_of(born)}-n[12]\.jvm1$")
        self.assertEqual(visitor.session("count", at=self.two)["count"], 3)

    def test_a_login_and_a_rotation_change_the_base_and_draw_a_node_anew(self):
        for steps in ("count,rotate", "count,login"):
            with self.subTest(steps):
                eventually("one of them changes the node, and another one does not",
                           lambda steps=steps, seen=set(): seen.add(self.rotated(steps)) or len(seen) == 2, 20)

    def rotated(self, steps):
        """Whether the new id that a session gets names another node."""
        visitor = self.visitor()
        before, created = visitor.id, visitor.session("read")["created"]
        answer = visitor.do(steps)
        self.assertEqual(len(answer.all("Set-Cookie")), 1)
        self.assertNotEqual(base_of(answer.new_id), base_of(before))
        self.assertTrue(answer.new_id.endswith(".jvm1"))
        again = visitor.session("read")
        self.assertEqual((again["created"], again["count"]), (created, 2))
        self.assertIsNotNone(self.stored(visitor.id))
        self.assertIsNone(self.stored(before))
        return node_of(before) != visitor.node


class Keys(Direct):
    def test_a_prefix_stands_before_the_id(self):
        for prefix, app in PREFIXES.items():
            with self.subTest(prefix):
                visitor = self.visitor(app)
                self.assertEqual(self.keys_of(visitor, [visitor.node]), {visitor.node: {f"{prefix}{visitor.id}"}})
                self.assertEqual(visitor.session("count", at=self.two)["count"], 2)

    def test_the_parts_of_a_prefix_are_joined_and_stand_twice_in_the_copy_of_the_validity(self):
        visitor = self.visitor(HASHES)
        prefix = f"x:{hashed('localhost')}:{hashed(HASHES)}_"
        own = visitor.node
        other = {"n1": "n2", "n2": "n1"}[own]
        expected = {
            own: {f"{prefix}{visitor.id}", f"validity:{prefix}{visitor.id}"},
            other: {f"bak:{prefix}{visitor.id}", f"bak:{prefix}validity:{prefix}{visitor.id}"},
        }
        eventually("all copies", lambda: self.keys_of(visitor) == expected, 5)

    def test_a_dash_in_the_prefix_keeps_sessions_out_of_the_store(self):
        visitor = self.visitor(DASH_IN_PREFIX)
        self.assertRegex(visitor.id, r"^[0-9A-F]{32}\.jvm1$")
        self.assertEqual(self.keys_of(visitor), {"n1": set(), "n2": set()})
        self.assertEqual(visitor.session("count")["count"], 2)
        self.assertTrue(visitor.session("count", at=self.two)["is_new"])
