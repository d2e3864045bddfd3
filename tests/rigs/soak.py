#!/usr/bin/env python3
"""Good, slow and hostile clients for an hour, with a store that hiccups: does memory stay flat, do descriptors,
and is each acknowledged message in the store exactly once? Samples go to a CSV. Exits with 1 on a bad verdict.

tests/rigs/soak.py --minutes 60
"""

import argparse
import csv
import random
import sys
import threading
import time

import hiccups
import hostile
from ledger import Ledger, verify
from rig import ROOT, Cut, Daemon, Smtp, binary, filed, need_descriptors, on_the_wire, percentiles, report
from trend import flat

# Few, so that each crosses its rule again and again, and the daemon's windows are full early on.
IDENTITIES = 300


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--rate", type=float, default=100, help="reports a second by the good clients")
    arguments.add_argument("--every", type=float, default=10, help="seconds between samples")
    arguments.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    arguments.add_argument("--csv", default=ROOT / "target/soak.csv")
    arguments.add_argument("--binary", help="instead of building the release binary")
    plan = arguments.parse_args()
    need_descriptors(4096)
    program = plan.binary or binary()
    with hiccups.STORES[plan.store]() as store:
        # Short times, so that an hour sees what otherwise takes days; small bounds, so that they are met.
        daemon = Daemon(
            program,
            store=store.url,
            store_keys='timeout = "4s"',
            smtp='max_sessions = 300\nmax_sessions_per_client = 60\nmax_message_size = "1 MiB"\n'
            'max_in_flight = "16 MiB"\ncommand_timeout = "20s"\ndata_timeout = "40s"\nwrite_timeout = "5s"\n'
            'session_timeout = "5m"',
        )
        try:
            sys.exit(0 if soak(daemon, store, plan) else 1)
        finally:
            daemon.remove()


class Crowd:
    """All clients, each a thread, until told that it is over."""

    def __init__(self, daemon, ledger, rate):
        self.daemon, self.ledger = daemon, ledger
        self.over = threading.Event()
        self.latencies = []
        self.failures = []
        self.threads = []
        for client in range(8):
            self._start(self.good, client, 8 / rate)
        for client in range(6):
            self._start(self.slow, client)
        for client in range(3):
            self._start(self.vanishing, client)
        for client in range(12):
            self._start(self.hostile, client)

    def _start(self, run, *arguments):
        def guarded():
            try:
                run(*arguments)
            except Exception as error:  # The verdict tells of it.
                self.failures.append(f"{run.__name__}{arguments}: {error!r}")

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self.threads.append(thread)

    def good(self, client, pause):
        """Sessions of one to thirty reports, each sent until it is acknowledged."""
        chance = random.Random(client)
        while not self.over.is_set():
            try:
                with Smtp(self.daemon.smtp, source=f"127.0.2.{client + 1}") as smtp:
                    if not smtp.open().startswith("250"):
                        self.over.wait(0.5)
                        continue
                    for _ in range(chance.randint(1, 30)):
                        n = self.ledger.take()
                        begun = time.monotonic()
                        try:
                            identifier = filed(smtp.send(report(n, n % IDENTITIES)))
                        except Cut:
                            self.ledger.unsure(n)
                            raise
                        if identifier:
                            self.latencies.append(time.monotonic() - begun)
                            self.ledger.filed(n, identifier)
                        else:
                            self.ledger.later(n)
                        if self.over.wait(chance.expovariate(1 / pause)):
                            break
                    smtp.say("QUIT")
            except Cut:
                self.over.wait(0.5)

    def slow(self, client):
        """A report in small pieces, over seconds; some take too long and are cut off."""
        chance = random.Random(100 + client)
        while not self.over.is_set():
            n = self.ledger.take()
            try:
                with Smtp(self.daemon.smtp, source=f"127.0.3.{client + 1}") as smtp:
                    if smtp.open().startswith("250") and not smtp.begin():
                        text = on_the_wire(report(n, n % IDENTITIES))
                        pause = chance.choice((0.05, 0.2, 1.2))
                        for at in range(0, len(text), 40):
                            smtp.raw(text[at : at + 40])
                            if self.over.wait(pause):
                                break
                        else:
                            identifier = filed(smtp.reply())
                            if identifier:
                                self.ledger.filed(n, identifier)
                                continue
                self.ledger.later(n)
            except Cut:
                self.ledger.unsure(n)

    def vanishing(self, client):
        """Gone at the dot, without waiting for the word; the report is sent again by others."""
        chance = random.Random(200 + client)
        while not self.over.is_set():
            n = self.ledger.take()
            try:
                with Smtp(self.daemon.smtp, source=f"127.0.4.{client + 1}") as smtp:
                    if smtp.open().startswith("250") and not smtp.begin():
                        smtp.raw(on_the_wire(report(n, n % IDENTITIES)))
                        if chance.random() < 0.5:
                            hostile.reset(smtp)
            except Cut:
                pass
            self.ledger.unsure(n)
            self.over.wait(chance.uniform(0.1, 1))

    def hostile(self, client):
        """One attack after the other. None of it may be filed."""
        chance = random.Random(300 + client)
        while not self.over.is_set():
            attack = chance.choice(hostile.ATTACKS)
            try:
                with Smtp(self.daemon.smtp, source=f"127.0.5.{client + 1}", timeout=30) as smtp:
                    attack(smtp, chance, self.over)
            except Cut:
                pass
            self.over.wait(chance.uniform(0, 0.3))

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(90)
            if thread.is_alive():
                self.failures.append(f"{thread.name} hangs")


def soak(daemon, store, plan):
    before = daemon.descriptors()
    ledger = Ledger()
    crowd = Crowd(daemon, ledger, plan.rate)
    trouble = store.trouble(daemon, plan.minutes * 60)
    samples = watch(daemon, plan)
    trouble.join()
    crowd.end()
    for _ in range(100):
        if ledger.settle(daemon, lambda n: report(n, n % IDENTITIES)):
            break
        time.sleep(0.2)
    time.sleep(2)
    metrics, after = daemon.metrics(), daemon.descriptors()
    peak = daemon.rss_kib("VmHWM") / 1024
    code, took = daemon.stop()

    wrong = list(crowd.failures) + verify(daemon, ledger, lambda n: report(n, n % IDENTITIES))
    replies = {kind: int(metrics.get(f'arfd_smtp_messages_total{{reply="{kind}"}}', 0))
               for kind in ("accepted", "deferred", "rejected")}
    print(f"acknowledged: {len(ledger.known)} distinct reports; replies {replies}, hiccups {store.hiccups}")
    print(f"good clients' MAIL to 250, hiccups included: {percentiles(crowd.latencies)}")
    for name, unit, most in (("rss_mb", "MB", 0.03), ("descriptors", "", 0.10)):
        verdict, line = flat([(row["seconds"], row[name]) for row in samples], most)
        print(f"{name}: {line} {unit}")
        if not verdict:
            wrong.append(f"{name} is not flat")
    print(f"peak resident {peak:.1f} MB; descriptors {before} before, {after} after; stopped in {took:.1f} s, code {code}")
    if after > before + 12:
        wrong.append(f"{after - before} descriptors were not given back")
    if metrics["arfd_session_panics_total"]:
        wrong.append("a session panicked")
    if code != 0:
        wrong.append(f"exit code {code}")
    if not replies["deferred"] and plan.minutes >= 2:
        wrong.append("no hiccup was felt: this soak proves less than it should")
    print("VERDICT: " + ("good" if not wrong else "BAD: " + "; ".join(wrong)))
    return not wrong


def watch(daemon, plan):
    """Samples until the time is over, into the CSV too."""
    columns = ("seconds", "rss_mb", "descriptors", "threads", "sessions", "queue", "accepted", "deferred", "rejected",
               "cpu_seconds")
    samples, begun = [], time.monotonic()
    with open(plan.csv, "w", newline="") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        while (now := time.monotonic() - begun) < plan.minutes * 60:
            try:
                metrics = daemon.metrics()
            except OSError:  # Its store is away.
                metrics = {}
            reply = lambda kind: int(metrics.get(f'arfd_smtp_messages_total{{reply="{kind}"}}', 0))
            samples.append({
                "seconds": round(now, 1), "rss_mb": round(daemon.rss_kib() / 1024, 2),
                "descriptors": daemon.descriptors(), "threads": daemon.rss_kib("Threads"),
                "sessions": int(metrics.get("arfd_smtp_sessions", -1)), "queue": int(metrics.get("arfd_queue_depth", -1)),
                "accepted": reply("accepted"), "deferred": reply("deferred"), "rejected": reply("rejected"),
                "cpu_seconds": daemon.cpu_seconds(),
            })
            table.writerow(samples[-1])
            file.flush()
            time.sleep(plan.every)
    return samples


if __name__ == "__main__":
    main()
