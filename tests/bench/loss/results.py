"""The figures of all runs: kept in a file, so that tables and plot can be made again from it."""

import dataclasses
import json
import os
import statistics


class Results:
    """Where and how, and a list of runs."""

    def __init__(self, conditions, runs=()):
        self.conditions = conditions
        self.runs = list(runs)

    def add(self, number, row, run, figures, before, tomcats):
        """One run more."""
        self.runs.append({
            "run": number + 1,
            "event": run.event,
            "row": row,
            "victim": run.victim,
            "tomcats": tomcats,
            "figures": dataclasses.asdict(figures),
            "before": dataclasses.asdict(before),
        })

    @classmethod
    def load(cls, path):
        """As saved."""
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        return cls(kept["conditions"], kept["runs"])

    def save(self, path):
        """All of it, whole or not at all: a benchmark that is ended early leaves what it had."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump({"conditions": self.conditions, "runs": self.runs}, file, indent=1)
            file.write("\n")
        os.replace(f"{path}.new", path)

    def of(self, event, row):
        """The figures of an event and a row, one per run."""
        return [run["figures"] for run in self.runs if (run["event"], run["row"]) == (event, row)]

    def names(self, key, known):
        """Which events or rows there are, in the order of all that are known."""
        found = {run[key] for run in self.runs}
        return [name for name in known if name in found]

    def median(self, event, row, figure):
        """Of all runs."""
        return statistics.median(figures[figure] for figures in self.of(event, row))

    def range(self, event, row, figure):
        """The lowest and the highest of all runs."""
        found = [figures[figure] for figures in self.of(event, row)]
        return min(found), max(found)

    def total(self, event, row, figure):
        """Over all runs."""
        return sum(figures[figure] for figures in self.of(event, row))

    def shares(self, event, row):
        """How many sessions went to the Tomcat behind the victim in their order, and how many to the one behind that.

        The victim differs from run to run, so the Tomcats' names would say nothing.
        """
        shares = [0, 0]
        for run in self.runs:
            if (run["event"], run["row"]) == (event, row) and run["victim"] in run["tomcats"]:
                tomcats = run["tomcats"]
                at = tomcats.index(run["victim"])
                for behind in range(2):
                    name = tomcats[(at + 1 + behind) % len(tomcats)]
                    shares[behind] += run["figures"]["spread"].get(name, 0)
        return tuple(shares)
