"""Sends files by Python's smtplib and prints what the server said, for the tests beside it.

send.py WAY HOST:PORT RECIPIENT FILE...
"""

import smtplib
import ssl
import sys


class Spoken(smtplib.SMTP):
    """smtplib keeps the last reply to itself when all went well: print it."""

    def data(self, msg):
        code, text = super().data(msg)
        print(code, text.decode())
        return code, text


class SpokenLmtp(smtplib.LMTP):
    """The same for LMTP, whose replies are one for each recipient."""

    def getreply(self):
        code, text = super().getreply()
        print(code, text.decode())
        return code, text


def trusting():
    """Any certificate will do: the tests make their own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def send_all(server, recipient, files):
    for file in files:
        with open(file, "rb") as message:
            server.sendmail("", [recipient], message.read())


def smtp(host, port, recipient, files):
    with Spoken(host, port, "client.example", timeout=60) as server:
        send_all(server, recipient, files)


def starttls(host, port, recipient, files):
    with Spoken(host, port, "client.example", timeout=60) as server:
        server.starttls(context=trusting())
        print("tls:", server.sock.version())
        send_all(server, recipient, files)


def login(host, port, recipient, files):
    """The first line of standard input is the user, the second the password."""
    user, password = (sys.stdin.readline().rstrip("\n") for _ in range(2))
    with Spoken(host, port, "client.example", timeout=60) as server:
        server.starttls(context=trusting())
        print("login:", *server.login(user, password))
        send_all(server, recipient, files)


def lmtp(host, port, recipient, files):
    with SpokenLmtp(host, port, "client.example") as server:
        send_all(server, recipient, files)


def refusals(host, port, recipient, files):
    """One session in which most is refused; it must not fall out of step."""
    with open(files[0], "rb") as message:
        message = message.read()
    with Spoken(host, port, "client.example", timeout=60) as server:
        server.ehlo()
        print("declared:", *spoken(server.docmd("MAIL FROM:<> SIZE=99999999999")))
        try:
            server.sendmail("", ["nobody@hoster.example"], message)
        except smtplib.SMTPRecipientsRefused as refused:
            print("recipients:", *spoken(refused.recipients["nobody@hoster.example"]))
        refused = server.sendmail("", [recipient, "nobody@hoster.example"], message)
        print("one of two:", *spoken(refused["nobody@hoster.example"]))
        print("verify:", *spoken(server.verify(recipient)))
        server.sendmail("", [recipient], message + b"another\r\n")


def spoken(reply):
    return reply[0], reply[1].decode()


def main():
    way, address, recipient, *files = sys.argv[1:]
    host, port = address.rsplit(":", 1)
    ways = {f.__name__: f for f in (smtp, starttls, login, lmtp, refusals)}
    ways[way](host, int(port), recipient, files)


main()
