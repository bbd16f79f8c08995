"""The loss benchmark's plan: which runs, in which order, what is kept and what is written."""

import argparse
import asyncio
import datetime
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys

import accounting
import bounds
import plot
import report
import ways
from bed import Bed, PartError
from cluster import Cluster, Unhealthy
from events import EVENTS, NOTHING, ONE_READER_IN, Crowd, Unfit, run_event
from peer import Peer
from results import Results
from rows import IDEAL, ROWS

# Browsers of the self-check.
FEW = 12


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests/bench/session-loss", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each event and row: %(default)s")
    parser.add_argument("--proxies", default=",".join(ROWS), help="rows, with commas: %(default)s")
    parser.add_argument("--events", default=",".join(EVENTS), help="which, with commas: %(default)s")
    parser.add_argument("--browsers", type=int, default=60, help="at a time: %(default)s")
    parser.add_argument("--pace", type=float, default=1.0, help="browsers think so many times as long: %(default)s")
    parser.add_argument("--one-reader-in", type=int, default=ONE_READER_IN, help="of so many browsers is silent when the event comes: %(default)s")
    parser.add_argument("--seed", type=int, help="of all random choices; default: another one each time, printed")
    parser.add_argument("--binary", help="the cattail to measure; default: built with profile dist")
    parser.add_argument("--smoke", action="store_true", help="one run of cattail for kill and stop; fails if anything is lost")
    parser.add_argument("--assert", dest="check", action="store_true", help="fail when a bound is missed")
    parser.add_argument("--report", action="store_true", help="measure nothing: tables and plot of the runs that were kept last")
    parser.add_argument("--update-docs", action="store_true", help=f"put tables, plot and configurations into {report.PAGE}")
    parser.add_argument("--answers", action="store_true", help="keep every answer of every run, too, and the proxies' logs")
    parser.add_argument("--output", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.smoke:
        if options.check or options.update_docs or options.report:
            parser.error("figures of --smoke mean nothing: none of --assert, --update-docs, --report")
        options.runs, options.proxies, options.events = 1, "cattail", "kill,stop"
        options.output = os.path.join(options.output, "smoke")
    options.proxies = _choice(parser, options.proxies, ROWS)
    options.events = _choice(parser, options.events, EVENTS)
    options.output = os.path.abspath(options.output)
    if options.runs < 1 or options.browsers < options.one_reader_in:
        parser.error(f"at least one run, and {options.one_reader_in} browsers")
    return options


def _choice(parser, text, known):
    chosen = text.split(",")
    for name in chosen:
        if name not in known:
            parser.error(f"unknown: {name}; known: {', '.join(known)}")
    return [name for name in known if name in chosen]


def main():
    """Runs what the command line says."""
    options = arguments()
    # So that the bed is ended, and nothing that was started stays.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    path = os.path.join(options.output, "results.json")
    if options.report:
        results = Results.load(path)
    else:
        seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
        print(f"seed {seed}: --seed {seed} makes the same choices again", flush=True)
        results = Results({"text": conditions(options, seed)})
        with Bed() as bed:
            asyncio.run(measure(bed, options, seed, results, path))
    return publish(results, options)


async def measure(bed, options, seed, results, path):
    """All runs. Rows take turns, so that a slow minute of the machine hits all of them."""
    cluster = Cluster(bed)
    await cluster.heal()
    await check_ourselves(cluster, random.Random(f"{seed} self-check"))
    for number in range(options.runs):
        for event in options.events:
            for row in options.proxies:
                if EVENTS[event].planned and row != bounds.OURS:
                    continue
                # One seed for all rows: the same victim, the same readers, as far as chance is ours.
                choices = random.Random(f"{seed} {number} {event}")
                folder = folder_of(bed, options, number, event, row)
                run = await one_run(folder, cluster, EVENTS[event], row, choices, options)
                figures = accounting.account(run)
                results.add(number, row, run, figures, accounting.before(run), list(cluster.tomcats))
                results.save(path)
                keep(folder, run, options)
                print(f"{number + 1} {event:9} {row:15} {report.line(figures)}", flush=True)


async def check_ourselves(cluster, choices):
    """Without losses that must be there, losses that are not seen would mean nothing."""
    scattered = await run_event(NOTHING, cluster, ways.Anywhere(cluster.addresses, choices), Crowd(FEW), choices)
    kept = await run_event(NOTHING, cluster, ways.Oracle(cluster.addresses), Crowd(FEW), choices)
    for run, wanted in ((scattered, True), (kept, False)):
        found = accounting.before(run)
        seen = {"split": found.split, "forked": found.forked, "stale reads": found.stale_reads}
        if any((count > 0) != wanted for count in seen.values()) or (not wanted and found.lost + found.failed):
            raise Unfit(f"the self-check: without affinity losses must be seen, with the oracle none: {seen}")
    print(f"self-check: without affinity {accounting.before(scattered).split} of {FEW} sessions are split; the oracle keeps all")


def crowd(options):
    """As the command line has it."""
    return Crowd(options.browsers, options.pace, options.one_reader_in)


def folder_of(bed, options, number, event, row):
    """Where a run's proxy writes: kept for those who look for a reason, if they ask for it."""
    kept = os.path.join(options.output, "answers") if options.answers else bed.folder
    folder = os.path.join(kept, f"{number + 1}-{event}-{row}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def keep(folder, run, options):
    """Every answer beside the proxy's logs; or nothing of either."""
    if not options.answers:
        shutil.rmtree(folder)
        return
    with open(os.path.join(folder, "answers.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(answer) + "\n" for answer in run.told())


async def one_run(folder, cluster, event, row, choices, options):
    """One event under one proxy, with all parts healthy before."""
    await cluster.heal()
    if row == IDEAL:
        return await run_event(event, cluster, ways.Oracle(cluster.addresses), crowd(options), choices)
    peer = Peer(row, folder, cluster, options.binary)
    try:
        peer.start().wait_ready()
        return await run_event(event, cluster, ways.Through(peer.address, peer), crowd(options), choices)
    finally:
        peer.end()


def publish(results, options):
    """Writes what is to be written; the exit code."""
    text = report.text(results)
    judged = bounds.bounds(results)
    if judged and not options.smoke:
        text = f"{text}\n\n{bounds.table(judged)}"
    print(f"\n{text}")
    os.makedirs(options.output, exist_ok=True)
    drawing = plot.draw(results)
    for name, content in (("results.md", text + "\n"), ("results.svg", drawing)):
        with open(os.path.join(options.output, name), "w", encoding="utf-8") as file:
            file.write(content)
    if options.update_docs:
        with open(report.PLOT, "w", encoding="utf-8") as file:
            file.write(drawing)
        report.update_page(report.PAGE, results=text)
        report.update_page(report.CONFIGURATIONS, configurations=report.configurations())
        print("written to", report.PAGE, report.PLOT, report.CONFIGURATIONS)
    if options.smoke:
        return _smoke(results)
    missed = [bound for bound in judged if not bound.kept]
    if options.check and not judged:
        print("FAILED: nothing was measured that a bound is about")
        return 1
    return 1 if options.check and missed else 0


def _smoke(results):
    """Nothing lost, nothing failed."""
    kept = True
    for event in ("kill", "stop"):
        [figures] = results.of(event, "cattail")
        exposed = figures["exposed"]
        wrong = {name: figures[name] for name in ("lost", "forked", "split", "failed") if figures[name]}
        if wrong or not exposed:
            print(f"FAILED: {event}: {exposed} sessions exposed, of which {wrong or 'none'}")
            kept = False
    return 0 if kept else 1


def conditions(options, seed):
    """Where and how, in one paragraph."""
    versions = [
        _version("nginx", "-v"), _version("apache2", "-v"), _version("haproxy", "-v"), _version("memcached", "-V"),
        _version("java", "-version"),
    ]
    return (
        f"{datetime.date.today()}, {os.cpu_count()} CPUs ({_cpu_model()}), Linux {platform.release()}, {', '.join(versions)}; "
        f"{options.browsers} browsers, {options.runs} runs of each event and row, seed {seed}. "
        "Medians over the runs, in brackets the lowest and the highest."
    )


def _version(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return f"{command[0]} {found[0] if found else '?'}"


def _cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (PartError, Unfit, Unhealthy, OSError) as error:
        sys.exit(f"FAILED: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
