#!/usr/bin/env python3
"""Real mail as it arrives after one more gateway, list, forwarder or mail program: does it still read as it should?

    tests/rigs/mutate.py FOLDER [--rounds N] [--seed N] [--only NAME] [--show N] [--keep DIR] [--program PATH]

FOLDER holds `mail/*.eml` and `expected.tsv` (file, format, feedback_type, source_ip, original_mail_from,
original_rcpt_to, arrival_date, original.message_id; `-` absent in the feedback part, `?` not judged). Every mail goes
through every change of `changes.py` that applies to it, and through N rounds of three changes at once. A cell is right
where it has the expected value; where that is `-`, what the unchanged mail gives. Exit code 1 below 99 in 100 cells.
"""

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import changes
import rig

CELLS = ("format", "feedback_type", "source_ip", "original_mail_from", "original_rcpt_to", "arrival_date",
         "original.message_id")
LEAST = 0.99


def read(program, paths):
    """What the program says of each file, in order."""
    run = subprocess.run([str(program), "parse", "--json", *map(str, paths)], stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def cells(line):
    """The judged cells of one reading, in comparable form."""
    report, original = line.get("report") or {}, line.get("original") or {}
    got = {"format": line["format"], "original.message_id": original.get("message_id") or "-"}
    for name in CELLS[1:-1]:
        value = report.get(name)
        value = ",".join(sorted(value)) if isinstance(value, list) else value
        got[name] = (value or "-").lower()
    return got


def expectations(rows, lines):
    """What each cell is to be: as expected, or as the unchanged mail gives it where nothing concrete is."""
    for row, line in zip(rows, lines):
        got = cells(line)
        for name in CELLS:
            want = (row[name] if name == "original.message_id" else row[name].lower()) or "-"
            wanted = got[name] if want in ("-", "?") else want
            row[name] = wanted
            if wanted != got[name]:
                sys.exit(f"{row['file']}: {name} is {got[name]!r} before any change, not {wanted!r}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--rounds", type=int, default=20, help="rounds of three changes at once")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", help="one change by its name")
    arguments.add_argument("--show", type=int, default=20, help="differences printed")
    arguments.add_argument("--keep", type=Path, help="keeps the changed mails here")
    arguments.add_argument("--program", type=Path, help="an arfd; otherwise the release binary is built")
    options = arguments.parse_args()
    program = options.program or rig.binary()
    with open(options.folder / "expected.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    paths = [options.folder / "mail" / row["file"] for row in rows]
    expectations(rows, read(program, paths))

    place = options.keep or Path(tempfile.mkdtemp(prefix="arfd-mutate-"))
    place.mkdir(parents=True, exist_ok=True)
    dice = random.Random(options.seed)
    made = []  # (row, names of the changes, path)
    for row, path in zip(rows, paths):
        original = path.read_bytes()
        plans = [[name] for name in changes.ALL]
        plans += [dice.sample(list(changes.ALL), 3) for _ in range(options.rounds)]
        for number, plan in enumerate(plans):
            if options.only and options.only not in plan:
                continue
            done, data = changes.apply(plan, original, row["format"], dice)
            if done:
                target = place / f"{path.stem}-{number}.eml"
                target.write_bytes(data)
                made.append((row, done, target))

    right, wrong, by_change, shown = Counter(), Counter(), defaultdict(Counter), 0
    for start in range(0, len(made), 500):
        some = made[start:start + 500]
        for (row, done, path), line in zip(some, read(program, [path for *_, path in some]), strict=True):
            got = cells(line)
            for name in CELLS:
                if got[name] == row[name]:
                    right[name] += 1
                    by_change["+".join(done) if len(done) == 1 else "several"]["right"] += 1
                    continue
                wrong[name] += 1
                by_change["+".join(done) if len(done) == 1 else "several"]["wrong"] += 1
                if shown < options.show:
                    shown += 1
                    print(f"{path.name} ({', '.join(done)}): {name}: want {row[name]!r}, got {got[name]!r}")
    print(f"\n{'change':24} {'right':>7} {'wrong':>6}")
    for change, count in sorted(by_change.items()):
        print(f"{change:24} {count['right']:7} {count['wrong']:6}")
    print(f"\n{'cell':24} {'right':>7} {'wrong':>6}")
    for name in CELLS:
        print(f"{name:24} {right[name]:7} {wrong[name]:6}")
    total = right.total() + wrong.total()
    share = right.total() / total if total else 0.0
    print(f"\n{len(made)} changed mails, {right.total()} of {total} cells right: {100 * share:.2f} %")
    sys.exit(share < LEAST)


if __name__ == "__main__":
    main()
