"""What the sending side knows: which messages were acknowledged, and which must be sent again. And whether the
store agrees."""

import random
import threading

from rig import Cut, Smtp, filed


class Ledger:
    """Messages by number, for many threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.next = 0
        # Number to the identifier that came with the 250.
        self.known = {}
        # To be sent again: refused for now, or of unknown fate.
        self.open = []
        self.resent = 0

    def take(self):
        """A message to send; what is open comes before what is new, now and then."""
        with self.lock:
            if self.open and random.random() < 0.5:
                self.resent += 1
                return self.open.pop(0)
            self.next += 1
            return self.next

    def filed(self, n, identifier):
        with self.lock:
            assert self.known.setdefault(n, identifier) == identifier, f"message {n} got two identifiers"

    def later(self, n):
        with self.lock:
            self.open.append(n)

    unsure = later

    def settle(self, daemon, message):
        """Sends what is open; true when nothing is any more."""
        try:
            with Smtp(daemon.smtp) as smtp:
                smtp.open()
                while self.open:
                    n = self.open[0]
                    identifier = filed(smtp.send(message(n)))
                    if not identifier:
                        return False
                    self.filed(n, identifier)
                    self.open.pop(0)
        except Cut:
            return False
        return True


def verify(daemon, ledger, message):
    """What is wrong with the store: it must hold what was acknowledged, once, as sent, and nothing else."""
    wrong = []
    if ledger.open:
        wrong.append(f"{len(ledger.open)} messages could not be delivered at all")
    told = {}
    for n, identifier in ledger.known.items():
        if told.setdefault(identifier, n) != n:
            wrong.append(f"messages {n} and {told[identifier]} got one identifier")
    stored = set()
    for row in daemon.listed():
        if row["id"] in stored:
            wrong.append(f"{row['id']} is there twice")
        stored.add(row["id"])
    lost, strange = told.keys() - stored, stored - told.keys()
    if lost:
        wrong.append(f"{len(lost)} acknowledged messages are LOST, one of them {told[next(iter(lost))]}")
    if strange:
        wrong.append(f"{len(strange)} messages in the store were never acknowledged, one is {next(iter(strange))}")
    sample = random.sample(sorted(told), min(100, len(told)))
    changed = [told[i] for i in sample if i in stored and daemon.shown(i) != message(told[i])]
    if changed:
        wrong.append(f"messages {changed} are not as sent")
    print(f"store: {len(stored)} reports, {len(lost)} lost, {len(strange)} unasked for, "
          f"{len(sample)} compared octet for octet, {len(changed)} changed; {ledger.resent} taken up again")
    return wrong
