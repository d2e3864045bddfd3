#!/usr/bin/env python3
"""Where the daemon's time goes on the durable path, by part: has the load generator run against the release
binary under `perf record`, and groups the samples. Percentages are of the daemon's CPU time.

tests/rigs/profile.py --reports 40000 [--symbols 15]
tests/rigs/profile.py --data FILE        an earlier recording
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rig import ROOT

# The first pattern that is found in the symbol, demangled or not, names the part.
USER = (
    ("zstd (evidence)", r"^(ZSTD|HUF|FSE|HIST|XXH|huf|zstd|POOL)_|zstd"),
    ("reading (formats)", r"arfd(::|\d*)formats|mail_parser"),
    ("judging (domain)", r"arfd(::|\d*)domain"),
    ("intake", r"arfd(::|\d*)intake|arfd(::|\d*)app"),
    ("smtp edge", r"arfd(::|\d*)smtp|mailin"),
    ("store, our side", r"arfd(::|\d*)store"),
    ("sqlx", r"sqlx"),
    ("digests", r"blake3"),
    ("metrics, logs", r"prometheus|tracing"),
    ("tokio", r"tokio|mio::|3mio|parking_lot|crossbeam|futures"),
    ("outbox, http", r"arfd|axum|hyper"),
)
KERNEL = (
    ("kernel: sockets", r"tcp|inet|sock|skb|^ip_|__ip_|net|dev_queue|loopback|nf_|napi|softirq|recvfrom|sendto|copyin|copyout"
                        r"|_copy_(to|from)_iter"),
    ("kernel: files, flush", r"ext4|jbd2|blk|bio|fsync|fdatasync|vfs|filemap|folio|writeback|submit|virt|pwrite|pread|ksys_|xfs"
                             r"|btrfs|overlay|iomap|dio|page_cache|xas_|fget|lseek|flock|fcntl"),
    ("kernel: waiting, waking", r"futex|sched|epoll|ep_|wake|switch|idle|nanosleep|hrtimer|eventfd|select|update_|enqueue|dequeue"
                                r"|pick_|psi_|pv_|spin|rcu"),
    ("kernel: memory", r"fault|clear_page|mmap|munmap|alloc|free|mem|charge|pte|tlb|vma|slab|lru"),
)
LINE = re.compile(r"^\s*(?P<thread>.+?)\s+(?P<ip>[0-9a-f]+)\s+(?P<symbol>.*?)\s+\((?P<dso>[^()]*)\)\s*$")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--reports", type=int, default=40_000)
    arguments.add_argument("--symbols", type=int, default=0, help="show so many symbols of each part")
    arguments.add_argument("--data", help="a recording of perf")
    plan = arguments.parse_args()
    if plan.data:
        return show(plan.data, plan.symbols)
    with tempfile.TemporaryDirectory(prefix="arfd-rig-") as folder:
        data = str(Path(folder) / "perf.data")
        subprocess.run(["cargo", "bench", "--locked", "--bench", "load", "--", "--reports", str(plan.reports), "--perf", data],
                       cwd=ROOT, check=True)
        show(data, plan.symbols)


def show(data, symbols):
    parts, threads, inside = Counter(), Counter(), {}
    script = subprocess.Popen(["perf", "script", "-i", data, "-F", "comm,ip,sym,dso"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, errors="replace")
    for line in script.stdout:
        found = LINE.match(line)
        if not found:
            continue
        part = name(found["thread"], found["symbol"], found["dso"])
        parts[part] += 1
        threads[thread(found["thread"])] += 1
        inside.setdefault(part, Counter())[found["symbol"]] += 1
    total = sum(parts.values())
    if not total:
        sys.exit("perf recorded nothing")
    print(f"\n{total} samples of the daemon's CPU time\n\n{'thread':<32} share")
    for one, count in threads.most_common(8):
        print(f"{one:<32} {count / total:6.1%}")
    print(f"\n{'part':<32} share")
    for part, count in parts.most_common():
        print(f"{part:<32} {count / total:6.1%}")
        for symbol, times in inside[part].most_common(symbols):
            print(f"    {times / total:6.1%} {symbol[:110]}")


def thread(comm):
    return "SQLite's thread" if comm.startswith("sqlx-sqlite") else "sessions and writer (tokio)" \
        if comm.startswith(("tokio", "arfd")) else comm


def name(comm, symbol, dso):
    sqlite = comm.startswith("sqlx-sqlite")
    if "kernel" in dso or dso.startswith("["):
        for part, pattern in KERNEL:
            if re.search(pattern, symbol):
                return part
        return "kernel: entering, other"
    for part, pattern in USER:
        if re.search(pattern, symbol):
            return part
    if dso.endswith((".so.6", ".so.2")) or "libc" in dso or "libm" in dso:
        return f"copying, allocating ({'SQLite' if sqlite else 'sessions'})"
    # SQLite's own functions have no common prefix, but no Rust path either.
    if symbol.startswith("sqlite3") or (sqlite and "::" not in symbol and not symbol.startswith("_")):
        return "sqlite"
    return f"Rust's own, other ({'SQLite' if sqlite else 'sessions'})"


if __name__ == "__main__":
    main()
