"""Tables, plot and bounds, of figures made up."""

import dataclasses
import unittest
import xml.dom.minidom

import accounting
import bounds
import plot
import report
from answers import Run
from results import Results
from rows import IDEAL, ROWS

NOTHING = accounting.account(Run("kill", "jvm2", (), {}, {}))
TOMCATS = ["jvm1", "jvm2", "jvm3"]


def results(*runs):
    """Of (event, row, what differs from nothing)."""
    made = Results({"text": "here"})
    for number, (event, row, differs) in enumerate(runs):
        victim = differs.pop("victim", "jvm2")
        figures = dataclasses.replace(NOTHING, exposed=20, **differs)
        made.add(number, row, Run(event, victim, (), {}, {}), figures, NOTHING, TOMCATS)
    return made


def missed(made):
    return [bound.text for bound in bounds.bounds(made) if not bound.kept]


class Bounds(unittest.TestCase):
    def test_as_good_as_the_ideal_is_kept(self):
        even = {"spread": {"jvm1": 10, "jvm3": 10}}
        made = results(("kill", IDEAL, {"lost": 1}), ("kill", "cattail", {"lost": 1, **even}), ("kill", "nginx", {"lost": 9}))
        self.assertEqual(missed(made), [])
        self.assertEqual(len(bounds.bounds(made)), 7)

    def test_each_figure_can_miss(self):
        for figure in ("lost", "lost_for_good", "forked", "split"):
            made = results(("kill", IDEAL, {}), ("kill", "cattail", {figure: 1}))
            self.assertEqual(missed(made), [figure.replace("_", " ")])
        self.assertEqual(missed(results(("kill", "cattail", {"failed": 1}))), ["failed requests"])

    def test_runs_add_up(self):
        self.assertEqual(missed(results(("kill", IDEAL, {}), ("kill", "cattail", {}), ("kill", "cattail", {"lost": 1}))), ["lost"])

    def test_a_pause_is_compared_with_the_best_peer(self):
        peers = [("hang", "nginx", {"longest_pause": 3.0}), ("hang", "haproxy", {"longest_pause": 2.0})]
        self.assertEqual(missed(results(*peers, ("hang", "cattail", {"longest_pause": 2.2}))), [])
        self.assertEqual(missed(results(*peers, ("hang", "cattail", {"longest_pause": 2.3}))), ["longest pause, s"])

    def test_one_survivor_with_all_of_the_load_is_not_even(self):
        self.assertEqual(missed(results(("kill", "cattail", {"spread": {"jvm3": 20}}))), ["how far from half of the sessions"])

    def test_without_cattail_nothing_is_judged(self):
        self.assertEqual(bounds.bounds(results(("kill", "nginx", {}))), [])


class Tables(unittest.TestCase):
    def test_shares_are_counted_from_the_victim_on(self):
        made = results(
            ("kill", "nginx-expert", {"spread": {"jvm3": 20}}),
            ("kill", "nginx-expert", {"victim": "jvm3", "spread": {"jvm1": 20}}),
        )
        self.assertEqual(made.shares("kill", "nginx-expert"), (40, 0))

    def test_medians_and_ranges(self):
        made = results(*(("kill", "nginx", {"lost": lost}) for lost in (2, 7, 3)))
        self.assertIn("| nginx, usual | 20 | 3 (2-7) | 0 |", report.table(made, "kill"))
        self.assertIn("| **12** of 60 |", report.summary(made))

    def test_every_configuration_is_shown_with_addresses_to_read(self):
        shown = report.configurations()
        for row in ROWS.values():
            self.assertEqual(f"## {row.title}\n" in shown, row.essence is not None, row.name)
        self.assertIn("tomcat3:8080", shown)
        self.assertNotIn("127.0.0.", shown)

    def test_the_plot_is_an_svg_with_all_rows(self):
        made = results(*((event, row, {"lost": 1}) for event in ("kill", "hang") for row in ROWS))
        drawn = plot.draw(made)
        texts = [node.firstChild.data for node in xml.dom.minidom.parseString(drawn).getElementsByTagName("text")]
        self.assertEqual(texts.count("1 of 20"), 2 * len(ROWS))
        self.assertTrue(all(row.title in texts for row in ROWS.values()))


if __name__ == "__main__":
    unittest.main()
