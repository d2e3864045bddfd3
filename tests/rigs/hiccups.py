"""Stores that have their bad moments: SQLite locked by another process, PostgreSQL stopped and started again."""

import glob
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path


class Store:
    """A store and its trouble; `hiccups` counts the bad moments."""

    url = None

    def __init__(self):
        self.hiccups = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def trouble(self, daemon, seconds):
        """Makes trouble now and then, in a thread, until shortly before the time is over."""
        thread = threading.Thread(target=self._trouble, args=(daemon, time.monotonic() + seconds), daemon=True)
        thread.start()
        return thread

    def _trouble(self, daemon, end):
        chance = random.Random(1)
        while True:
            pause, length = chance.uniform(15, 60), chance.uniform(1, 12)
            if time.monotonic() + pause + length + 5 > end:
                time.sleep(max(0, end - time.monotonic()))
                return
            time.sleep(pause)
            self.hiccup(daemon, length)
            self.hiccups += 1


class Sqlite(Store):
    """The daemon's own file. Another process takes the exclusive lock: shorter than the store's timeout, and longer."""

    def hiccup(self, daemon, seconds):
        other = sqlite3.connect(daemon.database, timeout=30, isolation_level=None)
        other.execute("begin exclusive")
        time.sleep(seconds)
        other.execute("rollback")
        other.close()


class Postgres(Store):
    """A throw-away cluster, stopped without ceremony and started again."""

    def __enter__(self):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not found:
            raise SystemExit("PostgreSQL's programs are not there: tests/run installs them")
        self.programs = Path(found[-1])
        self.folder = Path(tempfile.mkdtemp(prefix="arfd-rig-pg-"))
        # It will not run as root.
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres")
        self._run("initdb", "-U", "arfd", "-A", "trust", "-E", "UTF8", "--locale=C", "-D", self.folder / "data")
        self.url = f"postgres://arfd@localhost/postgres?host={self.folder}"
        self._control("start")
        return self

    def __exit__(self, *_):
        self._control("stop", "-m", "immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def hiccup(self, daemon, seconds):
        self._control("stop", "-m", "immediate")
        time.sleep(seconds)
        self._control("start")

    def _control(self, *words):
        options = ["-o", f"-k {self.folder} -c listen_addresses=''"] if words == ("start",) else []
        self._run("pg_ctl", *words, "-w", "-D", self.folder / "data", "-l", self.folder / "log", *options)

    def _run(self, program, *words):
        subprocess.run([*self.user, self.programs / program, *words], check=True, cwd="/",
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


STORES = {"sqlite": Sqlite, "postgres": Postgres}
