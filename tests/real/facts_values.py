"""Facts about what MSM stores: the layout of its values, with each serializer. The samples are made here.

RENEW_SAMPLES=1 writes tests/real/samples anew; without it they are compared with what MSM stores now.
"""

import os

import msm_samples
from bed import eventually
from facts_world import Bridged, Direct, Visitor, application
from msm_value import read_value

SERIALIZERS = ("java", "kryo", "xstream", "javolution")
BY_SERIALIZER = {name: application(f"/{name}", serializer=name) for name in SERIALIZERS}
FLEXJSON = application("/flexjson", serializer="flexjson")
BRIDGED = application("/flexjson-bridged", manager=Bridged)
FORM = application("/form", folder="form")
NOT_STICKY = application("/not-sticky", sticky=False)
REDIS = application("/redis", "redis")
REDIS_NOT_STICKY = application("/redis-not-sticky", "redis", sticky=False)
# What the attributes of each begin with.
BEGINS = {"java": b"\xac\xed\x00\x05", "kryo": b"\x01", "xstream": b"<concurrent-hash-map>", "javolution": b"<?xml "}
CART = "count,text:hello,cart"


class Values(Direct):
    def found(self, visitor):
        """Key and value of everything stored for the visitor."""
        stores = [self.world.n1, self.world.n2, self.world.redis]
        return {key: store.get(key) for store in stores for key in store.keys() if visitor.base in key}

    def value(self, visitor):
        """The visitor's session as it is stored."""
        return read_value(self.found(visitor)[visitor.id])

    def test_the_header_says_what_tomcat_knows_of_the_session(self):
        for name, app in BY_SERIALIZER.items():
            with self.subTest(name):
                visitor = Visitor(self.world.jvm1, app)
                visitor.do("count,idle:900")
                shown = visitor.session(CART)
                value = self.value(visitor)
                self.assertEqual(
                    (value.version, value.id, value.created, value.idle, value.is_new, value.is_valid, value.auth),
                    (2, shown["id"], shown["created"], 900, False, True, "none"))
                self.assertEqual(value.last_accessed, shown["accessed"])
                self.assertLessEqual(value.last_accessed, value.this_accessed)
                self.assertLessEqual(value.this_accessed, value.last_backup)
                self.assertEqual((value.principal, value.form_request, value.form_principal), (b"", b"", b""))
                self.assertTrue(value.attributes.startswith(BEGINS[name]), value.attributes[:40])

    def test_java_kryo_and_xstream_can_be_read_by_another_tomcat(self):
        for name in ("java", "kryo", "xstream"):
            with self.subTest(name):
                visitor = Visitor(self.world.jvm1, BY_SERIALIZER[name])
                visitor.do(CART)
                shown = visitor.session("count", at=self.world.jvm2)
                self.assertEqual((shown["count"], shown["is_new"]), (2, False))

    def test_javolution_of_maven_central_writes_what_it_cannot_read(self):
        """MSM wants a build of its own, 5.4.3.1, that Maven Central does not have."""
        visitor = Visitor(self.world.jvm1, BY_SERIALIZER["javolution"])
        visitor.do("count")
        key, base = visitor.id, visitor.base
        self.assertIn(key, self.found(visitor))
        lost = visitor.session("count", at=self.world.jvm2)
        self.assertEqual((lost["count"], lost["is_new"]), (1, True))
        self.assertNotEqual(visitor.base, base)

    def test_flexjson_of_maven_central_breaks_each_answer_with_a_session(self):
        """Its last release, 1.8.3, is of another interface than MSM 2.3.2."""
        answer = Visitor(self.world.jvm1, FLEXJSON).get(f"{FLEXJSON}/do", {"Steps": "count"})
        self.assertEqual(answer.status, 500)

    def test_flexjson_works_with_a_bridge_between_the_interfaces(self):
        visitor = Visitor(self.world.jvm1, BRIDGED)
        visitor.do(CART)
        self.assertTrue(self.value(visitor).attributes.startswith(b"{"))
        self.assertEqual(visitor.session("read", at=self.world.jvm2)["count"], 1)

    def test_a_login_puts_the_password_into_the_store(self):
        visitor = Visitor(self.world.jvm1, BY_SERIALIZER["java"])
        visitor.do("count")
        visitor.do("login,count")
        value = self.value(visitor)
        self.assertEqual(value.auth, "BASIC")
        self.assertIn(b"ada", value.principal)
        self.assertIn(b"secret", value.principal)
        self.assertEqual(visitor.do("old,user", at=self.world.jvm2).json["user"], "ada")

    def test_the_samples_are_what_msm_stores(self):
        made = self.samples()
        if os.environ.get("RENEW_SAMPLES"):
            for name, lines in made.items():
                msm_samples.write(name, lines)
        self.assertEqual(msm_samples.names(), sorted(made))
        for name, lines in made.items():
            with self.subTest(name):
                kept = msm_samples.read(name)
                self.assertEqual(list(kept), list(lines))
                for field in msm_samples.LASTING:
                    self.assertEqual(kept.get(field), lines.get(field), field)
                again = msm_samples.described(
                    kept["kind"], kept["key"], bytes.fromhex(kept["bytes"]),
                    **{field: kept[field] for field in ("mode", "serializer", "store")})
                self.assertEqual(again, kept)

    def samples(self):
        """All samples as MSM makes them now."""
        made = {}
        for name, app in BY_SERIALIZER.items():
            self._add(made, f"sticky-{name}", Visitor(self.world.jvm1, app), [CART], serializer=name)
        self._add(made, "sticky-flexjson", Visitor(self.world.jvm1, BRIDGED), [CART], serializer="flexjson")
        java = BY_SERIALIZER["java"]
        self._add(made, "sticky-java-read-again", Visitor(self.world.jvm1, java), ["count,idle:60", "count"])
        self._add(made, "sticky-java-taken-over", Visitor(self.world.jvm1, java), ["count"], then_at=self.world.jvm2)
        self._add(made, "sticky-java-basic-login", Visitor(self.world.jvm1, java), ["count", "login,count"])
        self._add(made, "sticky-java-4096-bytes", Visitor(self.world.jvm1, java), ["count,ballast:4096"])
        self._add(made, "redis-sticky-java", Visitor(self.world.jvm1, REDIS), [CART], store="redis")
        self._add(made, "not-sticky-java", Visitor(self.world.jvm1, NOT_STICKY), [CART], mode="not sticky")
        self._add(made, "redis-not-sticky-java", Visitor(self.world.jvm1, REDIS_NOT_STICKY), [CART],
                  mode="not sticky", store="redis")
        self._add_form_login(made)
        return made

    def _add(self, made, name, visitor, requests, then_at=None, mode="sticky", serializer="java", store="memcached"):
        for steps in requests:
            visitor.do(steps)
        if then_at:
            visitor.do("count", at=then_at)
        if (mode, store) == ("not sticky", "memcached"):
            # The second copies come after the answer.
            eventually("all copies are stored", lambda: len(self.found(visitor)) == 4, 10)
        for key, data in self.found(visitor).items():
            kind = "validity" if "validity:" in key else "session"
            suffix = ("-backup" if key.startswith("bak:") else "") + ("-validity" if kind == "validity" else "")
            made[name + suffix] = msm_samples.described(
                kind, key, data, mode=mode, serializer=serializer, store=store)

    def _add_form_login(self, made):
        """Before the login the session is not stored; between login and the page that was asked for it holds that request."""
        visitor = Visitor(self.world.jvm1, FORM)
        visitor.get(f"{FORM}/secret.jsp")
        self.assertEqual(self.found(visitor), {})
        visitor.post(f"{FORM}/j_security_check", "j_username=ada&j_password=secret",
                     {"Content-Type": "application/x-www-form-urlencoded"})
        self._add(made, "sticky-java-form-login-saved-request", visitor, [])
        visitor.get(f"{FORM}/secret.jsp")
        self._add(made, "sticky-java-form-login", visitor, [])
