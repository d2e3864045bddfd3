"""What hostile and broken clients do, one function each. They get a connected session, chance, and the event that
ends the soak. Whatever the daemon says or cuts is right, as long as nothing of it is filed."""

import socket
import struct

from rig import ABUSE, FILTER

SMUGGLED = b"MAIL FROM:<>\r\nRCPT TO:<" + ABUSE.encode() + b">\r\nDATA\r\nsmuggled\r\n.\r\n"


def reset(smtp):
    """The next close of the socket is a reset."""
    smtp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def garbage(smtp, chance, over):
    smtp.raw(chance.randbytes(chance.randint(1, 20_000)))
    smtp.reply()


def smuggle(smtp, chance, over):
    """The ends of text that some servers take for one. Nothing before it may be filed either."""
    smtp.open()
    if not smtp.begin():
        end = chance.choice((b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\r\n.\r\r\n", b"\r\n.\r", b"\0\r\n.\r\n"))
        smtp.raw(b"before" + end + SMUGGLED)
        smtp.reply()
        smtp.reply()


def endless_line(smtp, chance, over):
    for _ in range(chance.randint(10, 200)):
        smtp.raw(b"A" * 10_000)
    smtp.raw(b"\r\n")
    smtp.reply()


def too_large(smtp, chance, over):
    """More text than is taken: 552 at its end and no earlier."""
    smtp.open()
    if not smtp.begin():
        for _ in range(40):
            smtp.raw(b"too much\r\n" * 4_000)
        smtp.raw(b".\r\n")
        smtp.reply()


def many_recipients(smtp, chance, over):
    smtp.open()
    smtp.say("MAIL FROM:<>")
    for _ in range(150):
        smtp.say(f"RCPT TO:<{ABUSE}>")
    reset(smtp)


def guessing(smtp, chance, over):
    """Recipients that are not there, until the session is closed."""
    smtp.open()
    smtp.say("MAIL FROM:<>")
    while True:
        smtp.say(f"RCPT TO:<guess-{chance.random()}@hoster.example>")


def half_a_message(smtp, chance, over):
    smtp.open()
    if not smtp.begin():
        smtp.raw(b"Subject: half\r\n\r\n" + b"x" * chance.randint(0, 50_000))
    if chance.random() < 0.5:
        reset(smtp)


def deaf(smtp, chance, over):
    """Asks and asks, and never reads the answers."""
    smtp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    smtp.socket.settimeout(8)
    for _ in range(2_000):
        smtp.raw(b"NOOP\r\n" * 500)


def slow_loris(smtp, chance, over):
    """A command that never ends."""
    for octet in b"EHLO " + b"x" * 60:
        smtp.raw(bytes([octet]))
        if over.wait(1):
            return


def flood(smtp, chance, over):
    """More connections than a client may have, and all gone at once."""
    address = smtp.socket.getpeername()
    source = smtp.socket.getsockname()[0]
    sockets = []
    try:
        for _ in range(100):
            sockets.append(socket.create_connection(address, 10, (source, 0)))
    except OSError:
        pass
    over.wait(0.2)
    for connection in sockets:
        connection.close()


def half_closed(smtp, chance, over):
    smtp.open()
    smtp.raw(b"MAIL FROM:<>\r\nRCPT TO:<" + FILTER.encode() + b">\r\nDATA\r\nnever ended")
    smtp.socket.shutdown(socket.SHUT_WR)
    while True:
        smtp.reply()


ATTACKS = (garbage, smuggle, endless_line, too_large, many_recipients, guessing, half_a_message, deaf, slow_loris,
           flood, half_closed)
