"""S1, S3, S5: two Tomcats with sticky MSM, two memcacheds, behind nginx or Apache."""

from bed import Browser, Msm, eventually
from scenarios import Scenario, example, page


class TwoTomcats(Scenario):
    """As published: one jvm route or none on both; as recommended: a route for each. Two pairs run side by side."""

    # Of the published set-up, and of the recommended one.
    published, recommended = "", ""
    # As the files name them; the stores only as recommended, where the write-up names them.
    files_addresses = ()
    files_stores = ()
    published_route = None
    routes = ("jvm1", "jvm2")
    failover = "n2"

    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        # MSM's JSP of the write-ups is small; javolution needs a jar that is to be had no more.
        manager = Msm(list(cls.stores), failover=cls.failover)
        same = [cls.bed.tomcat9(f"p{number}", jvm_route=cls.published_route, manager=manager) for number in (1, 2)]
        cls.pair = [cls.bed.tomcat9(f"r{number}", jvm_route=route, manager=manager)
                    for number, route in enumerate(cls.routes, 1)]
        cls.bed.start(*same, *cls.pair)
        cls.same = same
        cls.as_published = cls.bed.cattail(cls.text_of(cls.published, same))
        stores = dict(zip(cls.files_stores, (store.address for store in cls.stores)))
        cls.as_recommended = cls.bed.cattail(cls.text_of(cls.recommended, cls.pair, stores))

    @classmethod
    def text_of(cls, name, tomcats, stores=()):
        """The example with the bed's addresses."""
        new = dict(zip(cls.files_addresses, (tomcat.address for tomcat in tomcats)))
        return example(name, {**new, **dict(stores)})

    @property
    def tomcats(self):
        """By route, for `expect_survival`."""
        first, second = self.routes
        return {first: ("TomcatA", self.pair[0], first), second: ("TomcatB", self.pair[1], second)}


class S1(TwoTomcats):
    published, recommended = "s1-nginx-round-robin.yaml", "s1-recommended.yaml"
    files_addresses = ("10.0.0.32:8080", "10.0.0.33:8080")
    files_stores = ("10.0.0.32:11211", "10.0.0.33:11211")
    # The same on both, as the page shows an id that ends in it whoever answers.
    published_route = "jvm1"

    def test_as_published_reload_alternates_and_the_session_stays(self):
        self.expect_alternation(self.as_published)

    def test_as_published_the_page_lives_on_when_a_tomcat_dies(self):
        browser = Browser(self.as_published.address)
        first = page(browser)
        eventually("the copy is stored", lambda: self.is_stored(first.id), 10)
        self.same[0].kill()
        for _ in range(3):
            again = page(browser)
            self.assertEqual((again.title, again.id, again.created), ("TomcatB", first.id, first.created))
        self.same[0].restart()

        def alternates():
            self.expect_alternation(self.as_published)
            return True

        eventually("both serve again", alternates)

    def test_as_recommended_the_session_survives_its_tomcat(self):
        self.expect_survival(self.as_recommended, self.tomcats)

    def test_static_files_touch_no_session(self):
        browser = Browser(self.as_recommended.address)
        self.expect_no_session_of_static_files(browser, "/test/alive.css")
        page(browser)
        self.expect_no_session_of_static_files(browser, "/test/alive.css")

    def test_a_memcached_dies_and_comes_back(self):
        browser = Browser(self.as_recommended.address)
        first = page(browser)
        eventually("the copy is stored", lambda: self.is_stored(first.id), 10)
        name = first.id.split("-")[1].split(".")[0]
        [dead] = [store for store in self.stores if store.name == name]
        self.addCleanup(self.restart_store, dead, *self.same, *self.pair)
        dead.kill()

        def moved():
            again = page(browser)
            self.assertEqual((again.title, again.base, again.created), (first.title, first.base, first.created))
            return again.id != first.id and again

        again = eventually("the session moves to the other store", moved, 30)
        self.assertNotIn(f"-{name}.", again.id)
        eventually("the copy is stored there", lambda: self.is_stored(again.id), 10)
        dead.restart()
        self.expect_to_stay(browser, again)


class S3(TwoTomcats):
    published, recommended = "s3-apache-balancer.yaml", "s3-recommended.yaml"
    files_addresses = ("172.16.100.7:8080", "172.16.100.8:8080")
    routes = ("tomcat1", "tomcat2")
    failover = "n1"

    def test_as_published_reload_alternates_and_the_session_stays(self):
        self.expect_alternation(self.as_published)

    def test_as_recommended_the_session_survives_its_tomcat(self):
        self.expect_survival(self.as_recommended, self.tomcats)

    def test_a_redirect_of_tomcats_names_the_proxy(self):
        """ProxyPassReverse: Tomcat sees its own address as Host, and redirects to it."""
        for proxy in (self.as_published, self.as_recommended):
            answer = Browser(proxy.address).get("/shop/redirect.jsp")
            self.assertEqual(answer.status, 302)
            self.assertEqual(answer.header("Location"), f"http://{proxy.address}/shop/count.jsp")


class S5(TwoTomcats):
    published, recommended = "s5-nginx-round-robin.yaml", "s5-recommended.yaml"
    files_addresses = ("192.168.0.11:8080", "192.168.0.12:8080")
    routes = ("tomcat1", "tomcat2")

    def test_as_published_reload_alternates_and_the_session_stays(self):
        self.expect_alternation(self.as_published)

    def test_as_recommended_the_session_survives_its_tomcat(self):
        self.expect_survival(self.as_recommended, self.tomcats)


# Its tests are those of the classes above.
del TwoTomcats
