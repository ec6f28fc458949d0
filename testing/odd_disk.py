"""A disk that behaves as some network disks do, for tests: shows a folder, and tells of its files
what the argument MODE says. Usage: odd_disk.py MODE FOLDER MOUNTPOINT

inodes   files and folders get other inodes every now and then, as when the system is short of memory
now      files and folders tell the present as their time
opened   a file that is opened gets the present as its time
"""
import os
import sys
import time

import fusepy as fuse

MODE, ROOT, MOUNT = sys.argv[1:]


class OddDisk(fuse.Operations):
    opened = {}

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


fuse.FUSE(OddDisk(), MOUNT, foreground=True, nothreads=True, ro=True, use_ino=True,
          attr_timeout=0, entry_timeout=0, direct_io=False)
