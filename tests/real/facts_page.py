"""docs/msm.md and the tests of facts name each other."""

import glob
import os
import re
import unittest

from bed.parts import REAL, ROOT


class Page(unittest.TestCase):
    def test_each_fact_on_the_page_has_its_test_and_each_test_its_fact(self):
        with open(os.path.join(ROOT, "docs", "msm.md"), encoding="utf-8") as file:
            page = file.read()
        named = {name for name in re.findall(r"`([a-z0-9_]+)`", page) if name.count("_") > 1}
        files = set(re.findall(r"`(facts_\w+\.py)`", page))
        there = set()
        for path in glob.glob(os.path.join(REAL, "facts_*.py")):
            with open(path, encoding="utf-8") as file:
                tests = set(re.findall(r"def test_(\w+)", file.read()))
            if path == __file__ or not tests:
                continue
            self.assertIn(os.path.basename(path), files)
            there |= tests
        no_tests = {"store_node_changed"}
        self.assertEqual(named - there - no_tests, set())
        short = {"everyday_life", "a_take_over"}
        self.assertEqual({name for name in there if f"`{name}`" not in page} - short, set())
