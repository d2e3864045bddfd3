#!/usr/bin/env python3
"""Thousands of idle SMTP sessions for minutes, while a good client is served: how fast, and what a session
costs the daemon in memory. Exits with 1 when it is not as it should be.

tests/rigs/idle.py --connections 10000 --minutes 5
"""

import argparse
import sys
import time

from rig import Daemon, Smtp, binary, filed, need_descriptors, percentiles, report

A_CLIENT = 100
BOUND_MS = 50
PAUSE = 0.1


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--connections", type=int, default=10_000)
    arguments.add_argument("--minutes", type=float, default=5)
    arguments.add_argument("--binary", help="instead of building the release binary")
    plan = arguments.parse_args()
    need_descriptors(plan.connections + 200)
    daemon = Daemon(
        plan.binary or binary(),
        smtp=f'max_sessions = {plan.connections + 100}\nmax_sessions_per_client = {A_CLIENT}\n'
        f'command_timeout = "30m"\nsession_timeout = "2h"\n',
    )
    try:
        sys.exit(0 if watch(daemon, plan) else 1)
    finally:
        daemon.remove()


def watch(daemon, plan):
    # What the machine gives without them; and what is made at the first message is not counted to the idle.
    alone = []
    for n in range(1, 101):
        alone.append(serve_one(daemon, -n)[0])
        time.sleep(PAUSE)
    print(f"good client alone, connect to 250: {percentiles(alone)}")
    before, descriptors = daemon.rss_kib(), daemon.descriptors()
    begun = time.monotonic()
    idle = []
    for n in range(plan.connections):
        client = Smtp(daemon.smtp, source=f"127.0.{1 + n // A_CLIENT // 250}.{1 + n // A_CLIENT % 250}")
        reply = client.open()
        if not reply.startswith("250"):
            sys.exit(f"session {n}: {reply}")
        idle.append(client)
    took = time.monotonic() - begun
    opened = daemon.rss_kib()
    print(f"{plan.connections} sessions opened in {took:.1f} s; resident {before / 1024:.1f} -> {opened / 1024:.1f} MB,"
          f" {(opened - before) / plan.connections:.2f} KiB a session")

    whole, answer = [], []
    cpu, end = daemon.cpu_seconds(), time.monotonic() + plan.minutes * 60
    while time.monotonic() < end:
        taken, answered = serve_one(daemon, len(whole) + 1)
        whole.append(taken)
        answer.append(answered)
        time.sleep(PAUSE)
    cpu = (daemon.cpu_seconds() - cpu) / (plan.minutes * 60)
    print(f"good client, {len(whole)} sessions of one report over {plan.minutes:g} minutes:")
    print(f"  connect to 250   {percentiles(whole)}")
    print(f"  dot to 250       {percentiles(answer)}")
    print(f"  daemon's CPU     {cpu * 100:.2f} % of one core")

    later = daemon.rss_kib()
    alive = sum(client.say("NOOP").startswith("250") for client in idle)
    print(f"still alive: {alive} of {plan.connections}; resident {later / 1024:.1f} MB")
    for client in idle:
        client.close()
    for _ in range(200):
        if daemon.descriptors() <= descriptors + 2:
            break
        time.sleep(0.05)
    left = daemon.descriptors()
    print(f"after they left: resident {daemon.rss_kib() / 1024:.1f} MB, {left} descriptors ({descriptors} before)")

    ordered = sorted(whole)
    p99, most = (ordered[int((len(ordered) - 1) * share)] * 1000 for share in (0.99, 1))
    wrong = []
    if p99 >= BOUND_MS:
        wrong.append(f"the good client's 99th percentile is {p99:.1f} ms, {BOUND_MS} are allowed")
    if alive != plan.connections:
        wrong.append(f"{plan.connections - alive} idle sessions were lost")
    if left > descriptors + 2:
        wrong.append(f"{left - descriptors} descriptors were not given back")
    slow = sum(taken * 1000 >= BOUND_MS for taken in whole)
    print(f"served in {BOUND_MS} ms or more: {slow} of {len(whole)}, the longest {most:.1f} ms")
    print("VERDICT: " + ("good" if not wrong else "BAD: " + "; ".join(wrong)))
    return not wrong


def serve_one(daemon, n):
    """Seconds from connecting to the 250, and from the dot to it."""
    begun = time.monotonic()
    with Smtp(daemon.smtp) as client:
        reply = client.open()
        refusal = None if reply.startswith("250") else reply
        refusal = refusal or client.begin()
        if refusal:
            sys.exit(f"the good client was refused: {refusal}")
        message = report(n, n % 1000)
        client.raw(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        sent = time.monotonic()
        reply = client.reply()
        done = time.monotonic()
    if not filed(reply):
        sys.exit(f"the good client was refused: {reply}")
    return done - begun, done - sent


if __name__ == "__main__":
    main()
