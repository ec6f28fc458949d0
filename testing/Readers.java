import java.io.File;
import java.io.FileInputStream;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Collections;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

/** Reads archives whole: {@code java Readers.java zipfile|stream FILE...}; exits 1 at a bad one. */
public class Readers {
  public static void main(String[] args) {
    for (int i = 1; i < args.length; i++) {
      try {
        if (args[0].equals("zipfile")) randomAccess(new File(args[i]));
        else stream(new File(args[i]));
      } catch (IOException | IllegalArgumentException error) {
        System.err.println(error);
        System.exit(1);
      }
    }
  }

  /** By the central directory. ZipFile does not check CRC-32 or sizes by itself. */
  private static void randomAccess(File file) throws IOException {
    try (ZipFile archive = new ZipFile(file)) {
      for (ZipEntry entry : Collections.list(archive.entries())) {
        CRC32 crc = new CRC32();
        try (InputStream data = new CheckedInputStream(archive.getInputStream(entry), crc)) {
          long size = data.transferTo(OutputStream.nullOutputStream());
          if (size != entry.getSize()) throw new ZipException("size of " + entry + ": " + size);
        }
        if (crc.getValue() != entry.getCrc()) throw new ZipException("CRC-32 of " + entry);
      }
    }
  }

  /** By the local headers. The stream ends without complaint at anything that is not one. */
  private static void stream(File file) throws IOException {
    int count = 0;
    try (ZipInputStream archive =
        new ZipInputStream(new BufferedInputStream(new FileInputStream(file), 1 << 16))) {
      while (archive.getNextEntry() != null) {
        archive.transferTo(OutputStream.nullOutputStream());
        count++;
      }
    }
    try (ZipFile archive = new ZipFile(file)) {
      if (count != archive.size()) {
        throw new ZipException("entries: " + count + " in the stream, " + archive.size() + " listed");
      }
    }
  }
}
