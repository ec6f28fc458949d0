"""The zip program over a bucket that rclone has mounted, straight to the client.

python3 mounted.py PORT BUCKET/PREFIX FOLDER

Archives are at /HASH/. FOLDER is an empty one, where the bucket is mounted while this runs. Endpoint
and credentials are in AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE_SECONDS = 20


class Archive(BaseHTTPRequestHandler):
    def do_GET(self):
        folder = os.path.join(sys.argv[3], os.path.basename(self.path.strip("/")))
        if not os.path.isdir(folder):
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Type", "application/zip")
        self.end_headers()
        self.wfile.flush()
        # The socket is the output of zip: nothing copies the bytes once more.
        command = ["zip", "-0", "-q", "-r", "-", "."]
        subprocess.run(command, cwd=folder, stdout=self.connection.fileno())

    def log_message(self, *_):
        pass


def mount():
    # What makes it fastest: no HEAD before each GET and none for each time.
    remote = f":s3,provider=Other,env_auth=true,endpoint='{os.environ['AWS_ENDPOINT_URL_S3']}':"
    flags = ["--read-only", "--use-server-modtime", "--s3-no-head-object", "--s3-no-check-bucket"]
    own = {"RCLONE_CONFIG": os.devnull, **os.environ}
    own.pop("AWS_CA_BUNDLE", None)  # rclone 1.60 does not start with it
    rclone = subprocess.Popen(["rclone", "mount", *flags, remote + sys.argv[2], sys.argv[3]], env=own)
    for _ in range(PATIENCE_SECONDS * 20):
        if os.path.ismount(sys.argv[3]):
            return rclone
        if rclone.poll() is not None:
            break
        time.sleep(0.05)
    rclone.kill()
    sys.exit("rclone: not mounted")


def main():
    rclone = mount()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # through the line that unmounts
    try:
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Archive).serve_forever()
    finally:
        rclone.terminate()
        rclone.wait()


main()
