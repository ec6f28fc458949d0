/**
 * Names that systems, network disks, browsers and uploading programs give to things that are no
 * photos: one table, which docs/names.md shows. Pure.
 *
 * @module
 */

/** Names that some program gives. */
export interface NameRule {
  /** `*` stands for any characters, `?` for one letter or digit. Case does not matter. */
  readonly names: readonly string[];
  /** Which program leaves them, and for what. */
  readonly from: string;
  /** Where that can be read. */
  readonly source: string;
}

const NEXTCLOUD_LIST =
  "https://github.com/nextcloud/desktop/blob/013b87f9c58f69a70f1fd1fc85e02440df154765/sync-exclude.lst";
const GITIGNORE = "https://github.com/github/gitignore/blob/main/Global/";
const IMMICH_GO = "https://github.com/simulot/immich-go";

/**
 * Files that are still being written, or were abandoned half-way: cut photos, and so never in an
 * archive. `*.tmp` as a whole, since uploading programs can be set to any name that ends so, and
 * nobody gives it to a photo. FileZilla, vsftpd and most file managers write under the final name:
 * those files nothing but their time tells apart.
 */
export const UNFINISHED: readonly NameRule[] = [
  {
    names: ["*.filepart"],
    from: "WinSCP, uploads of 100 KB and more",
    source: "https://winscp.net/eng/docs/resume",
  },
  {
    names: [".in.*"],
    from: "ProFTPD with `HiddenStores`; lftp with `xfer:use-temp-file`",
    source: "http://www.proftpd.org/docs/modules/mod_xfer.html#HiddenStores",
  },
  {
    names: [".pureftpd-*"],
    from: "Pure-FTPd, atomic uploads",
    source: "https://github.com/jedisct1/pure-ftpd/blob/master/src/ftpd.h",
  },
  {
    names: [".*.*.??????", ".~tmp~", ".rsync-partial"],
    from: "rsync: `.IMG_1.jpg.Xy12Zz`; `--delay-updates`; the usual `--partial-dir`",
    source: "https://download.samba.org/pub/rsync/rsync.1",
  },
  {
    names: ["*.partial"],
    from: "rclone; Internet Explorer",
    source: "https://rclone.org/docs/#partial-suffix-string",
  },
  {
    names: [".syncthing.*", "~syncthing~*"],
    from: "Syncthing",
    source:
      "https://github.com/syncthing/syncthing/blob/0dc3f8aa62b8ef6d9141d9f38c67e36707dc8955/lib/fs/tempname.go",
  },
  {
    names: ["*.part", "*.crdownload"],
    from: "Firefox, KDE, Nextcloud, yt-dlp; Chromium, Chrome, Edge, Opera",
    source: NEXTCLOUD_LIST,
  },
  {
    names: ["*.download"],
    from: "Safari: a folder with the file in it",
    source: "https://fileinfo.com/extension/download",
  },
  {
    names: ["*.aria2"],
    from: "aria2, its notes about a download that has its final name already",
    source: "https://aria2.github.io/manual/en/html/aria2c.html#control-file",
  },
  {
    names: ["*.tmp", "*.ffs_tmp"],
    from: "programs that upload, synchronise or save; FreeFileSync",
    source: "https://docs.morrodata.com/mcm/sync-exclusion-ere/index.html",
  },
  {
    names: [".goutputstream-*"],
    from: "GNOME's file manager and editors",
    source: "https://gitlab.gnome.org/GNOME/glib/-/blob/main/gio/glocalfileoutputstream.c",
  },
  {
    names: ["~$*", ".~lock.*#"],
    from: "Microsoft Office and LibreOffice, while a document is open",
    source: NEXTCLOUD_LIST,
  },
];

/** What systems and network disks leave behind in folders, and nobody wants to download. */
export const JUNK: readonly NameRule[] = [
  {
    names: [
      "Thumbs.db",
      "Thumbs.db:encryptable",
      "ehthumbs.db",
      "ehthumbs_vista.db",
      "desktop.ini",
    ],
    from: "Windows: thumbnails, the look of a folder",
    source: `${GITIGNORE}Windows.gitignore`,
  },
  {
    names: ["$RECYCLE.BIN", "RECYCLER", "RECYCLED", "System Volume Information"],
    from: "Windows: deleted files, restore points",
    source: "https://en.wikipedia.org/wiki/Trash_(computing)#Microsoft_Windows",
  },
  {
    names: [
      "__MACOSX",
      "._*",
      ".DS_Store",
      ".AppleDouble",
      ".AppleDB",
      ".AppleDesktop",
      ".LSOverride",
      ".VolumeIcon.icns",
      ".apdisk",
      "Network Trash Folder",
      "Temporary Items",
      ".DocumentRevisions-V100",
      ".fseventsd",
      ".Spotlight-V100",
      ".TemporaryItems",
      ".Trashes",
      ".com.apple.timemachine.donotpresent",
    ],
    from: "macOS: resource forks, the look of a folder, indexes, deleted files",
    source: `${GITIGNORE}macOS.gitignore`,
  },
  {
    names: ["Icon\r", "Icon\uf00d"],
    from: "macOS: the icon of a folder; on a share of Samba its line break is U+F00D",
    source: "https://www.samba.org/samba/docs/current/man-html/vfs_fruit.8.html",
  },
  {
    names: [".smbdelete*"],
    from: "macOS: deleted while it was open on a share",
    source: "https://docs.morrodata.com/mcm/sync-exclusion-ere/index.html",
  },
  {
    names: ["lost+found"],
    from: "ext4 and others: what a check of the disk found",
    source: "https://man7.org/linux/man-pages/man8/mklost+found.8.html",
  },
  {
    names: [".Trash", ".Trash-*"],
    from: "Linux desktops: deleted files",
    source: "https://specifications.freedesktop.org/trash-spec/latest/",
  },
  {
    names: [".directory", ".fuse_hidden*", ".nfs*"],
    from: "KDE: the look of a folder; FUSE and NFS: deleted while it was open",
    source: `${GITIGNORE}Linux.gitignore`,
  },
  {
    names: [
      "@eaDir",
      "#recycle",
      "@tmp",
      "#snapshot",
      "@sharebin",
      "@SynologyCloudSync",
      ".SynologyWorkingDirectory",
    ],
    from: "Synology: thumbnails, deleted files, work files, snapshots",
    source:
      "https://kb.synology.com/en-us/DSM/help/CloudSync/cloudsync_working_with_different_cloud",
  },
  {
    names: ["SYNOPHOTO_THUMB*", "SYNOPHOTO_FILM*", "SYNOFILE_THUMB*", "SYNOINDEX_MEDIA_INFO"]
      .concat(
        ["*@SynoEAStream", "*@SynoResource"],
      ),
    from: "Synology: thumbnails and attributes, copied out of `@eaDir`",
    source: IMMICH_GO,
  },
  {
    names: ["@Recycle", "@Recently-Snapshot"],
    from: "QNAP: deleted files, snapshots",
    source: "https://bitbucket.org/xnejp03/serviio/issues/774/hide-eadir-on-synology",
  },
  {
    names: ["@__thumb", ".@__thumb"],
    from: "QNAP: thumbnails",
    source: IMMICH_GO,
  },
  {
    names: [".recycle"],
    from: "Samba: deleted files",
    source: "https://www.samba.org/samba/docs/current/man-html/vfs_recycle.8.html",
  },
  {
    names: ["Picasa.ini", ".picasa.ini"],
    from: "Picasa: albums, faces, edits",
    source: "https://en.wikipedia.org/wiki/Picasa",
  },
  {
    names: [".stfolder", ".stversions", ".stignore"],
    from: "Syncthing: its mark, old versions, settings",
    source: "https://docs.syncthing.net/users/versioning.html",
  },
  {
    names: [".dropbox", ".dropbox.cache", ".dropbox.attr"],
    from: "Dropbox: its notes, what was deleted",
    source: "https://help.dropbox.com/delete-restore/dropbox-cache-folder",
  },
];

const isUnfinishedName = matcher(UNFINISHED);
const isJunkName = matcher(JUNK);

/** True for a name that says that a file is still being written. */
export function isUnfinished(name: string): boolean {
  return isUnfinishedName(name);
}

/** True for what systems and network disks leave behind in folders. */
export function isJunk(name: string): boolean {
  return isJunkName(name);
}

/** Each name of each folder is looked at: so plain names and endings are not left to the pattern. */
function matcher(rules: readonly NameRule[]): (name: string) => boolean {
  const names = rules.flatMap(({ names }) => names.map((name) => name.toLowerCase()));
  const plain = new Set(names.filter((name) => !hasWildcard(name)));
  const endings = names.filter(isEnding).map((name) => name.slice(1));
  const others = names.filter((name) => hasWildcard(name) && !isEnding(name));
  const pattern = new RegExp(`^(?:${others.map(toPattern).join("|")})$`, "s");
  return (name) => {
    const lower = name.toLowerCase();
    return plain.has(lower) || endings.some((ending) => lower.endsWith(ending)) ||
      pattern.test(lower);
  };
}

function hasWildcard(name: string) {
  return /[*?]/.test(name);
}

function isEnding(name: string) {
  return name.startsWith("*") && !hasWildcard(name.slice(1));
}

function toPattern(name: string) {
  return RegExp.escape(name).replaceAll("\\*", ".*").replaceAll("\\?", "[a-z0-9]");
}
