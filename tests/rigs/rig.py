"""What the rigs share: the release binary as a process with a place of its own, a report to send, and a small
SMTP client that knows what it was told."""

import json
import os
import random
import resource
import shutil
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ABUSE = "abuse@hoster.example"
FILTER = "arf-secret@hoster.example"


def binary():
    """Builds the release binary and gives its path."""
    subprocess.run(["cargo", "build", "--release", "--locked", "--bin", "arfd"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "arfd"


def need_descriptors(count):
    """Raises this process' limit of descriptors, which its children inherit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))
    except (ValueError, PermissionError):
        sys.exit(f"{count} descriptors are needed and {hard} allowed: raise `ulimit -Hn`, or run as root")


class Daemon:
    """A running `arfd serve`."""

    def __init__(self, program, store=None, smtp="", store_keys=""):
        self.program = str(program)
        self.folder = Path(tempfile.mkdtemp(prefix="arfd-rig-"))
        self.database = self.folder / "arfd.db"
        self.configuration = self.folder / "arfd.toml"
        self.configuration.write_text(
            f'[log]\nlevel = "warn,arfd::app=info,arfd::cli=info"\nformat = "json"\n'
            f'[smtp]\nlisten = "127.0.0.1:0"\nrecipients = ["{ABUSE}", "{FILTER}"]\n{smtp}\n'
            f'[http]\nlisten = "127.0.0.1:0"\n'
            # Crossings on trial leave the windows as they are, and these then fill for hours.
            f'[restraint]\ntrial = "0s"\n'
            f'[store]\nurl = "{store or f"sqlite://{self.database}"}"\n{store_keys}\n'
            f'[[identification.headers]]\nname = "X-AuthUser"\n'
            f'[[feeds]]\nname = "filter"\nnetworks = ["127.0.0.0/8"]\nrecipients = ["{FILTER}"]\n'
        )
        self.log = self.folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", "-c", self.configuration],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )
        self.smtp, self.http = self._addresses()

    def _addresses(self):
        for _ in range(1000):
            for line in self.log.read_text().splitlines():
                entry = json.loads(line) if line.startswith("{") else {}
                if entry.get("message") == "arfd takes reports":
                    return (split(entry[key]) for key in ("smtp", "http"))
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        sys.exit(f"arfd does not take reports:\n{self.log.read_text()}")

    def _proc(self, name):
        return Path(f"/proc/{self.process.pid}/{name}")

    def rss_kib(self, key="VmRSS"):
        """Resident memory; with `VmHWM` its peak."""
        for line in self._proc("status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])

    def descriptors(self):
        return len(os.listdir(self._proc("fd")))

    def cpu_seconds(self):
        fields = self._proc("stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metrics(self):
        """Every series with its value."""
        with urllib.request.urlopen(f"http://{self.http[0]}:{self.http[1]}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def arfd(self, *words):
        """Another `arfd` on the same store, as a stream of its output."""
        return subprocess.Popen([self.program, *words, "-c", self.configuration], stdout=subprocess.PIPE)

    def listed(self):
        """The reports in the store, one at a time."""
        with self.arfd("list", "reports", "--json", "-n", "4000000000") as listing:
            for line in listing.stdout:
                yield json.loads(line)
        if listing.returncode:
            sys.exit(f"arfd list: exit code {listing.returncode}")

    def shown(self, identifier):
        """A stored message."""
        with self.arfd("show", identifier) as shown:
            return shown.stdout.read()

    def stop(self):
        """SIGTERM; gives the exit code and how long it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = f"none within 60 s, killed ({self.process.wait()})"
        return code, time.monotonic() - begun

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def split(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


_RANDOM = random.Random(5965)
_LINE = "".join(_RANDOM.choices(string.ascii_letters + string.digits, k=4000))


def report(n, identity, size=2000):
    """The filter's report of message `n`, about `size` octets, CRLF throughout."""
    filler = "\r\n".join(_LINE[i : i + 70] for i in range(n % 70, n % 70 + max(0, min(size - 1300, 3900)), 70))
    sender = f"user{identity}@customer.example"
    return (
        f'Content-Type: multipart/report; report-type=feedback-report; boundary="=={n}=="\r\n'
        f"MIME-Version: 1.0\r\nSubject: offer {n}\r\nFrom: admin@filter.example\r\n"
        f"Message-Id: <R{n}@filter.example>\r\n\r\n"
        f"--=={n}==\r\nContent-Type: text/plain\r\n\r\nAbout a message of one of your users.\r\n"
        f"--=={n}==\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"User-Agent: SpamExperts/1\r\nVersion: 1\r\nOriginal-Envelope-Id: 1abc-{n}\r\n"
        f"Original-Mail-From: {sender}\r\nArrival-Date: Tue, 24 Nov 2026 08:51:18 -0000\r\n"
        f"Source-IP: 192.0.2.7\r\nOriginal-Rcpt-To: <r{n}@elsewhere.example>\r\n"
        f"Authentication-Results: filter.example; auth=pass smtp.auth=server1@customer.example\r\n"
        f"Feedback-Type: abuse\r\n--=={n}==\r\nContent-Type: message/rfc822\r\n\r\n"
        f"X-AuthUser: {sender}\r\nMessage-ID: <M{n}@customer.example>\r\nFrom: {sender}\r\n"
        f"To: r{n}@elsewhere.example\r\nSubject: offer {n}\r\nDate: Tue, 24 Nov 2026 10:50:41 +0200\r\n\r\n"
        f"{filler}\r\n.dot\r\n--=={n}==--\r\n"
    ).encode()


def on_the_wire(message):
    """Dots doubled, and the one that ends it."""
    stuffed = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
    return stuffed + b".\r\n"


class Cut(Exception):
    """The connection ended."""


class Smtp:
    """One SMTP session."""

    def __init__(self, server, source="127.0.0.1", timeout=60):
        try:
            self.socket = socket.create_connection(server, timeout, (source, 0))
        except OSError as error:
            raise Cut(error) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""

    def open(self):
        """Greeting and EHLO; gives the first reply that is no success, or the last."""
        reply = self.reply()
        return self.say("EHLO rig.example") if reply.startswith("220") else reply

    def raw(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError as error:
            raise Cut(error) from error

    def say(self, command):
        self.raw(command.encode() + b"\r\n")
        return self.reply()

    def reply(self):
        """The last line of the next reply."""
        while True:
            line, end, rest = self.input.partition(b"\r\n")
            if end:
                self.input = rest
                if line[3:4] != b"-":
                    return line.decode()
                continue
            try:
                octets = self.socket.recv(4096)
            except OSError as error:
                raise Cut(error) from error
            if not octets:
                raise Cut("closed")
            self.input += octets

    def begin(self, recipient=FILTER):
        """Everything up to DATA; gives the refusal, if there is one."""
        for command in ("MAIL FROM:<>", f"RCPT TO:<{recipient}>", "DATA"):
            reply = self.say(command)
            if reply[0] not in "23":
                return reply
        return None

    def send(self, message, recipient=FILTER):
        """Sends one message; gives the reply at its end or the refusal before it."""
        refusal = self.begin(recipient)
        if refusal:
            return refusal
        self.raw(on_the_wire(message))
        return self.reply()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def filed(reply):
    """The identifier in a 250, or None."""
    code, _, identifier = reply.partition("filed as ")
    return identifier if code.startswith("250 2.") and identifier else None


def percentiles(seconds):
    """A line for people: p50, p90, p99 and the most, in milliseconds."""
    ordered = sorted(seconds)
    at = lambda share: ordered[int((len(ordered) - 1) * share)] * 1000
    return f"p50 {at(0.5):.2f}  p90 {at(0.9):.2f}  p99 {at(0.99):.2f}  max {at(1):.2f} ms"
