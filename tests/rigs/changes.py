"""What happens to a report on its way: the changes that gateways, lists, forwarders, mailboxes and careless
generators really make. None of them alters what the report says. For `mutate.py`."""

import base64
import quopri
import re

# A part is (head, body): text with LF, Latin-1 so that every byte survives.
HEADER = re.compile(r"^[!-9;-~]+[ \t]*:")


class Skip(Exception):
    """The change does not apply to this mail."""


def lines_of(head):
    """The headers of a block, each with its continuation lines; what is no header stays with the line above."""
    found = []
    for line in head.split("\n"):
        if found and (line[:1] in (" ", "\t") or not HEADER.match(line)):
            found[-1] += "\n" + line
        elif line:
            found.append(line)
    return found


class Mail:
    """A message taken apart once: its headers, and its parts where it is a multipart with a boundary."""

    def __init__(self, data):
        self.text = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode("latin-1")
        self.head, _, self.body = self.text.partition("\n\n")
        self.eol = "\r\n"
        self.boundary = None
        kind = next((h for h in lines_of(self.head) if h.lower().startswith("content-type:")), "")
        stated = re.search(r'boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))', kind, re.I)
        self.multipart = "multipart/" in kind.lower()
        if self.multipart and stated:
            self.boundary = stated.group(1) or stated.group(2)
            line = re.compile(r"^--" + re.escape(self.boundary) + r"(--)?[ \t]*$", re.M)
            ends = list(line.finditer(self.body))
            if not ends or ends[0].group(1):
                self.boundary = None
                return
            self.preamble = self.body[:ends[0].start()]
            self.parts, self.epilogue = [], None
            for at, found in enumerate(ends):
                if found.group(1):
                    self.epilogue = self.body[found.end():]
                    break
                stop = ends[at + 1].start() if at + 1 < len(ends) else len(self.body)
                inner = self.body[found.end() + 1:stop]
                inner = inner[:-1] if at + 1 < len(ends) and inner.endswith("\n") else inner
                self.parts.append(self.split(inner))

    @staticmethod
    def split(text):
        if text.startswith("\n"):
            return ["", text[1:]]
        head, blank, body = text.partition("\n\n")
        return [head, body if blank else None]

    def need_parts(self):
        if self.boundary is None:
            raise Skip
        return self.parts

    def part(self, *kinds):
        """The first part of a kind, with a body and without a transfer encoding."""
        for part in self.need_parts():
            if any(kind in part[0].lower() for kind in kinds) and part[1] is not None:
                encoding = re.search(r"content-transfer-encoding:\s*(\S+)", part[0], re.I)
                if encoding and encoding.group(1).lower() not in ("7bit", "8bit", "binary"):
                    raise Skip
                return part
        raise Skip

    def feedback(self):
        part = self.part("message/feedback-report")
        if not HEADER.match(part[1].lstrip()) or part[1].lstrip().count("\n") < 2:
            raise Skip
        return part

    def original(self):
        part = self.part("message/rfc822", "rfc822-headers", "rfc822-header")
        if "message/feedback-report" in part[1].lower():
            raise Skip  # a report sent on: what is cut from it is gone
        return part

    def headers(self):
        return lines_of(self.head)

    def set_headers(self, headers):
        self.head = "\n".join(headers)

    def edit_header(self, name, edit):
        """Rewrites the first header of that name."""
        headers = self.headers()
        for at, header in enumerate(headers):
            if header.lower().startswith(name.lower() + ":"):
                headers[at] = edit(header)
                return self.set_headers(headers)
        raise Skip

    def join(self):
        body = self.body
        if self.boundary is not None:
            body = self.preamble
            for head, inner in self.parts:
                body += f"--{self.boundary}\n{head}"
                body += "" if inner is None else ("\n\n" if head else "\n") + inner
                body += "\n"
            body += "" if self.epilogue is None else f"--{self.boundary}--{self.epilogue}"
        return f"{self.head}\n\n{body}"

    def bytes(self):
        return self.join().replace("\n", self.eol).encode("latin-1")


def encode(part, name):
    raw = part[1].replace("\n", "\r\n").encode("latin-1")
    raw += b"" if raw.endswith(b"\r\n") else b"\r\n"
    text = base64.encodebytes(raw) if name == "base64" else quopri.encodestring(raw.replace(b"\r\n", b"\n"))
    head = [h for h in lines_of(part[0]) if not h.lower().startswith("content-transfer-encoding")]
    part[0] = "\n".join([*head, f"Content-Transfer-Encoding: {name}"])
    part[1] = text.decode("latin-1")


# Line ends and wrappings of the whole file.

def lf(mail, dice):
    mail.eol = "\n"


def crlf(mail, dice):
    mail.eol = "\r\n"


def no_last_newline(mail, dice):
    """Cut by a pipe that trims."""
    if mail.boundary is not None and mail.epilogue is not None:
        mail.epilogue = ""
    else:
        mail.body = mail.body.rstrip("\n")


def blank_lines_behind(mail, dice):
    if mail.boundary is not None and mail.epilogue is not None:
        mail.epilogue += "\n\n\n"
    else:
        raise Skip


def mbox_line(mail, dice):
    """Taken out of a mailbox together with its separator."""
    mail.head = "From feedback@isp.example Tue Mar  3 09:00:05 2026\n" + mail.head


def mbox_quoting(mail, dice):
    """A mailbox quotes lines that begin with From."""
    quote = lambda text: re.sub(r"^(>*From )", r">\1", text, flags=re.M)
    if mail.boundary is None:
        mail.body = quote(mail.body)
    else:
        for part in mail.parts:
            part[1] = part[1] and quote(part[1])


# The message's own headers.

def fold_headers(mail, dice):
    """Folded at every blank that may be folded at."""
    fold = lambda h: h if h.lower().startswith("subject:") else re.sub(r"(?<=[;,]) +(?=\S)", "\n\t", h)
    mail.set_headers([fold(h) for h in mail.headers()])


def unfold_headers(mail, dice):
    mail.set_headers([re.sub(r"\n[ \t]+", " ", h) for h in mail.headers()])


def header_case(mail, dice):
    how = dice.choice([str.lower, str.upper, str.title])
    mail.set_headers([how(h.partition(":")[0]) + ":" + h.partition(":")[2] for h in mail.headers()])


def header_order(mail, dice):
    """Sorted by a gateway; hops stay in their order and on top."""
    trace = ("received:", "from ", ">from ")
    hops = [h for h in mail.headers() if h.lower().startswith(trace)]
    rest = [h for h in mail.headers() if not h.lower().startswith(trace)]
    dice.shuffle(rest)
    mail.set_headers(hops + rest)


def hops(mail, dice):
    """Two more servers, a filter's verdicts and an ARC set on top."""
    mail.set_headers([
        "Return-Path: <>",
        "Delivered-To: abuse@hoster.example",
        "Received: from filter.hoster.example (filter.hoster.example [10.0.0.7])\n\tby store.hoster.example (Postfix)"
        " with ESMTPS id 4Zx1\n\tfor <abuse@hoster.example>; Tue,  3 Mar 2026 09:00:05 +0000 (UTC)",
        "X-Spam-Status: No, score=-1.9 required=5.0 tests=BAYES_00,\n\tSPF_PASS autolearn=ham",
        "ARC-Seal: i=1; a=rsa-sha256; t=1772528405; cv=none; d=hoster.example; s=a; b=AAAA",
        "Authentication-Results: mx.hoster.example; dkim=none; spf=pass smtp.mailfrom=isp.example",
        *[h for h in mail.headers() if not h.lower().startswith(("return-path:", "delivered-to:"))],
    ])


def subject_tag(mail, dice):
    """Gateways and ticket systems put a word before the subject."""
    tag = dice.choice(["[EXTERNAL] ", "[SPAM] ", "{Spam?} ", "[#4711] ", "***SPAM*** "])
    mail.edit_header("Subject", lambda h: re.sub(r"^([^:]+:\s*)", lambda m: m.group(1) + tag, h))


def no_mime_version(mail, dice):
    if not any(h.lower().startswith("mime-version") for h in mail.headers()):
        raise Skip
    mail.set_headers([h for h in mail.headers() if not h.lower().startswith("mime-version")])


def no_report_type(mail, dice):
    mail.feedback()
    mail.edit_header("Content-Type", lambda h: re.sub(r';?\s*report-type\s*=\s*"?[\w-]+"?', "", h, flags=re.I))


def as_mixed(mail, dice):
    """Rewritten as multipart/mixed, as ticket systems and Exchange do."""
    mail.feedback()
    edit = lambda h: re.sub(r'multipart/report|;\s*report-type\s*=\s*"?[\w-]+"?', lambda m: "multipart/mixed"
                            if m.group().lower().startswith("m") else "", h, flags=re.I)
    mail.edit_header("Content-Type", edit)


def more_parameters(mail, dice):
    mail.need_parts()
    mail.edit_header("Content-Type", lambda h: h.rstrip(" ;\n\t") + ';\n\tcharset="utf-8"; format=flowed;')


# Boundaries and parts.

def rename_boundary(mail, dice):
    mail.need_parts()
    new = dice.choice(["=_b'()+,./:=?7", "----=_Part_1_2.3", "_000_x@y_", "a" * 70])
    if new in mail.text:
        raise Skip
    pattern = r'boundary\s*=\s*(?:"[^"]+"|[^;\s]+)'
    mail.edit_header("Content-Type", lambda h: re.sub(pattern, lambda m: f'boundary="{new}"', h, count=1, flags=re.I))
    mail.boundary = new


def boundary_in_pieces(mail, dice):
    """RFC 2231, as some libraries split long parameters."""
    mail.need_parts()
    half = len(mail.boundary) // 2
    pieces = f'boundary*0="{mail.boundary[:half]}";\n boundary*1="{mail.boundary[half:]}"'
    pattern = r'boundary\s*=\s*(?:"[^"]+"|[^;\s]+)'
    mail.edit_header("Content-Type", lambda h: re.sub(pattern, lambda m: pieces, h, count=1, flags=re.I))


def no_closing_boundary(mail, dice):
    mail.need_parts()
    mail.epilogue = None


def prose_around(mail, dice):
    """Preamble and epilogue."""
    mail.need_parts()
    mail.preamble = "This is a multi-part message in MIME format.\n\n" + mail.preamble
    mail.epilogue = (mail.epilogue or "") + "\n\nScanned by a virus scanner.\n"


def list_footer(mail, dice):
    mail.need_parts()
    mail.parts.append(['Content-Type: text/plain; charset="us-ascii"\nContent-Disposition: inline',
                       "_______________________\nabuse mailing list\nhttps://lists.example/abuse\n"])


def disclaimer_in_front(mail, dice):
    mail.need_parts()
    mail.parts.insert(0, ["Content-Type: text/plain; charset=utf-8", "CAUTION: this mail came from outside.\n"])


def html_beside_text(mail, dice):
    part = mail.need_parts()[0]
    if part[1] is None or "text/plain" not in part[0].lower():
        raise Skip
    inner = f"--alt77\n{part[0]}\n\n{part[1]}\n--alt77\nContent-Type: text/html\n\n<p>report</p>\n--alt77--\n"
    mail.parts[0] = ['Content-Type: multipart/alternative; boundary="alt77"', inner]


def attachment_behind(mail, dice):
    mail.need_parts()
    mail.parts.append(['Content-Type: image/png; name="logo.png"\nContent-Transfer-Encoding: base64', "iVBORw0KGgo=\n"])


def wrapped_by_list(mail, dice):
    """The whole multipart becomes the first part of a multipart/mixed."""
    mail.need_parts()
    inner = next(h for h in mail.headers() if h.lower().startswith("content-type:"))
    body = mail.join().partition("\n\n")[2]
    mail.edit_header("Content-Type", lambda h: 'Content-Type: multipart/mixed; boundary="list77"')
    mail.boundary, mail.preamble, mail.epilogue = "list77", "", "\n"
    mail.parts = [[inner, body], ["Content-Type: text/plain", "list footer\n"]]


def forwarded(mail, dice):
    """Sent on by a person as an attachment."""
    mail.feedback()
    if "report-type" not in mail.head.lower():
        raise Skip
    inner = mail.join()
    if inner.startswith(("From ", ">From ")):
        raise Skip
    mail.head = ("From: Kim <kim@hoster.example>\nTo: abuse@hoster.example\nSubject: Fwd: complaint\nMIME-Version: 1.0\n"
                 'Content-Type: multipart/mixed; boundary="fwd77"')
    mail.boundary, mail.preamble, mail.epilogue = "fwd77", "", "\n"
    mail.parts = [["Content-Type: text/plain", "see below\n"],
                  ["Content-Type: message/rfc822\nContent-Disposition: attachment", inner]]


def forwarded_encoded(mail, dice):
    """The same by a program that encodes what it must not."""
    forwarded(mail, dice)
    encode(mail.parts[1], dice.choice(["base64", "quoted-printable"]))


def part_headers(mail, dice):
    """A gateway adds its own headers to each part."""
    for part in mail.need_parts():
        part[0] = (part[0] + "\n" if part[0] else "") + "Content-Description: part\nX-Scanned: yes"


def text_charset(mail, dice):
    part = mail.need_parts()[0]
    if part[1] is None or "text/plain" not in part[0].lower() or "encoding" in part[0].lower():
        raise Skip
    part[0] = "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit"
    part[1] += "Mit freundlichen Gr\xfc\xdfen\n"


# The machine-readable part.

def feedback_base64(mail, dice):
    encode(mail.feedback(), "base64")


def feedback_quoted_printable(mail, dice):
    encode(mail.feedback(), "quoted-printable")


def feedback_as_attachment(mail, dice):
    """Exchange keeps the content and loses the type."""
    part = mail.feedback()
    part[0] = 'Content-Type: application/octet-stream; name="ATT00001"\nContent-Disposition: attachment'
    encode(part, "base64")


def field_case(mail, dice):
    part = mail.feedback()
    how = dice.choice([str.lower, str.upper, str.capitalize])
    part[1] = "\n".join(how(f.partition(":")[0]) + ":" + f.partition(":")[2] for f in lines_of(part[1])) + "\n"


def field_order(mail, dice):
    """Shuffled; fields of one name keep their order."""
    part = mail.feedback()
    fields = lines_of(part[1])
    queues = {}
    for field in fields:
        queues.setdefault(field.partition(":")[0].lower(), []).append(field)
    names = [field.partition(":")[0].lower() for field in fields]
    dice.shuffle(names)
    part[1] = "\n".join(queues[name].pop(0) for name in names) + "\n"


def field_spaces(mail, dice):
    """Blanks and tabs around colons and at the ends of lines."""
    part = mail.feedback()
    colon = dice.choice([":", ":\t", ":   ", " : "])
    space = lambda f: re.sub(r"^([^:\s]+)[ \t]*:[ \t]*", lambda m: m.group(1) + colon, f)
    part[1] = "\n".join(space(f) + dice.choice(["", " ", "\t"]) for f in lines_of(part[1])) + "\n"


def unknown_fields(mail, dice):
    part = mail.feedback()
    part[1] = ("X-Trace: 4711\n" + part[1].strip("\n") + "\nX-Note: caf\xc3\xa9\nX-Long: " + "x" * 900
               + "\nCampaign-Id: <a@b.example>\n")


def folded_fields(mail, dice):
    part = mail.feedback()
    part[1] = "\n".join(re.sub(r"(?<=[;,]) +(?=\S)", "\n  ", f) for f in lines_of(part[1])) + "\n"


def blank_lines_in_front(mail, dice):
    part = mail.feedback()
    part[1] = "\n\n" + part[1] + "\n\n"


def date_comment(mail, dice):
    part = mail.feedback()
    part[1], count = re.subn(r"^(Arrival-Date:.*[+-]\d{4})[ \t]*$", r"\1 (UTC)", part[1], flags=re.M | re.I)
    if not count:
        raise Skip


def brackets(mail, dice):
    """Angle brackets where there were none, or none where there were."""
    part = mail.feedback()

    def turn(found):
        value = found.group(2).strip()
        if "," in value or " " in value or not value.strip("<>"):
            return found.group()
        return found.group(1) + (value[1:-1] if value.startswith("<") else f"<{value}>")

    part[1] = re.sub(r"^(Original-(?:Mail-From|Rcpt-To):[ \t]*)(.*)$", turn, part[1], flags=re.M | re.I)


# The enclosed message.

def original_base64(mail, dice):
    encode(mail.original(), "base64")


def original_quoted_printable(mail, dice):
    encode(mail.original(), "quoted-printable")


def original_cut(mail, dice):
    """Only so much of the body is enclosed."""
    part = mail.original()
    head, blank, body = part[1].partition("\n\n")
    if not blank or len(body) < 40:
        raise Skip
    part[1] = head + blank + body[:dice.randrange(len(body) // 2)] + "\n"


def original_headers_only(mail, dice):
    part = mail.original()
    head, blank, _ = part[1].partition("\n\n")
    if not blank:
        raise Skip
    part[0] = "Content-Type: text/rfc822-headers"
    part[1] = head + "\n"


def original_mbox_line(mail, dice):
    part = mail.original()
    if part[1].startswith((">From ", "From ", "\n")):
        raise Skip
    part[1] = ">From bounce@shop.example Tue Mar  3 09:00:05 2026\n" + part[1]


def original_header_case(mail, dice):
    part = mail.original()
    head, blank, body = part[1].partition("\n\n")
    if not HEADER.match(head):
        raise Skip
    how = dice.choice([str.lower, str.upper])
    headers = [how(h.partition(":")[0]) + ":" + h.partition(":")[2] if ":" in h else h for h in lines_of(head)]
    part[1] = "\n".join(headers) + blank + body


ALL = {change.__name__: change for change in (
    lf, crlf, no_last_newline, blank_lines_behind, mbox_line, mbox_quoting, fold_headers, unfold_headers, header_case,
    header_order, hops, subject_tag, no_mime_version, no_report_type, as_mixed, more_parameters, rename_boundary,
    boundary_in_pieces, no_closing_boundary, prose_around, list_footer, disclaimer_in_front, html_beside_text,
    attachment_behind, wrapped_by_list, part_headers, text_charset, feedback_base64,
    feedback_quoted_printable, feedback_as_attachment, field_case, field_order, field_spaces, unknown_fields,
    folded_fields, blank_lines_in_front, date_comment, brackets, original_base64, original_quoted_printable,
    original_cut, original_headers_only, original_mbox_line, original_header_case,
    forwarded, forwarded_encoded,
)}


def apply(plan, original, kind, dice):
    """Does what applies of a plan. Gives the names of what was done, and the bytes."""
    data, done = original, []
    if original.lstrip()[:1] in (b"{", b"["):
        return [], data  # an event as JSON, no mail
    # What is done to the report comes before it is sent on.
    for name in sorted(plan, key=lambda name: name.startswith("forwarded")):
        if any(before.startswith("forwarded") for before in done):
            break
        mail = Mail(data)
        try:
            ALL[name](mail, dice)
        except Skip:
            continue
        changed = mail.bytes()
        done.append(name)
        data = changed
    return done, data
