"""Receives the events of zipferry's --webhook: docs/operate.md, section Receipts.

    ZIPFERRY_WEBHOOK_SECRET=... python3 webhook.py 9000

Needs Python 3.8 or later, and nothing else.
"""

import hashlib
import hmac
import json
import os
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BYTES = 65536


def verified_event(body, signature, secret):
    """The event, or None if it was not signed with the secret within the last five minutes."""
    parts = re.fullmatch(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})", signature)
    if not parts or abs(time.time() - int(parts[1])) > 300:
        return None
    expected = hmac.new(secret, parts[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    return json.loads(body) if hmac.compare_digest(expected, parts[2]) else None


def handle(event):
    """Does what your site wants to. Of a choice of files or a part, "whole" is false.

    An event may come twice, with the same id.
    """
    if event["type"] == "download.delivered" and event["archive"]["whole"]:
        print(event["time"], event["id"], event["archive"]["hash"], "delivered", flush=True)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(min(length, MAX_BYTES))
        signature = self.headers.get("zipferry-signature") or ""
        event = verified_event(body, signature, SECRET)
        if event is not None:
            handle(event)
        self.send_response(403 if event is None else 204)
        self.end_headers()

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    SECRET = os.environ["ZIPFERRY_WEBHOOK_SECRET"].encode()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
