"""A disk that behaves as some network disks do, for tests: shows a folder, and does with its files
what the argument MODE says. Usage: odd_disk.py MODE FOLDER MOUNTPOINT

inodes   files and folders get other inodes every now and then, as when the system is short of memory
now      files and folders tell the present as their time
opened   a file that is opened gets the present as its time
slow     each look at a file, each opening and each read takes 20 ms; a look is good for 60 s
hung     calls hang when it is told so: a line on the standard input names those which hang from now
         on (getattr, open or read; empty: none, and those that hang go on). "?" changes nothing.
         Each line is answered with the number of calls that hang. Nothing is read from a cache.
"""
import os
import sys
import threading
import time

import fusepy as fuse

MODE, ROOT, MOUNT = sys.argv[1:]
LATENCY_SECONDS = 0.02
CACHE_SECONDS = 60  # as NFS does it for folders


class Gate:
    """Lets calls pass, but for those that the standard input says shall hang."""

    def __init__(self):
        self.changed = threading.Condition()
        self.closed_to = ""
        self.hanging = 0

    def obey(self):
        for line in sys.stdin:
            with self.changed:
                if line.strip() != "?":
                    self.closed_to = line.strip()
                    self.changed.notify_all()
                print(self.hanging, flush=True)

    def enter(self, call):
        with self.changed:
            self.hanging += 1
            self.changed.wait_for(lambda: self.closed_to != call)
            self.hanging -= 1


class OddDisk(fuse.Operations):
    opened = {}
    gate = Gate()

    def __call__(self, call, *args):
        if MODE == "slow" and call in ("getattr", "open", "read"):
            time.sleep(LATENCY_SECONDS)
        if MODE == "hung":
            self.gate.enter(call)
        return super().__call__(call, *args)

    def path(self, path):
        return ROOT + path

    def getattr(self, path, fh=None):
        stat = os.lstat(self.path(path))
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_mtime", "st_ctime")
        attributes = {name: getattr(stat, name) for name in names}
        generation = int(time.time() / 0.3) if MODE == "inodes" else 0
        attributes["st_ino"] = stat.st_ino + 10_000_000 * (generation % 1000)
        if MODE == "now":
            attributes["st_mtime"] = attributes["st_ctime"] = time.time()
        if path in self.opened:
            attributes["st_mtime"] = self.opened[path]
        return attributes

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.path(path))]

    def open(self, path, flags):
        if MODE == "opened":
            self.opened[path] = time.time()
        return os.open(self.path(path), flags)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def release(self, path, fh):
        os.close(fh)


disk = OddDisk()
if MODE == "hung":
    threading.Thread(target=disk.gate.obey, daemon=True).start()
known_for = CACHE_SECONDS if MODE == "slow" else 0
fuse.FUSE(disk, MOUNT, foreground=True, nothreads=MODE not in ("slow", "hung"), ro=True,
          use_ino=True, attr_timeout=known_for, entry_timeout=known_for, direct_io=MODE == "hung")
