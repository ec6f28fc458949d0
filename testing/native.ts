/**
 * The smallest programs of each system that `deno compile` takes for a runtime: nothing in them can
 * run, but everything that it puts into an executable can be looked at.
 *
 * @module
 */

const MACHINES: Readonly<Record<string, { elf: number; pe: number; macho: number }>> = {
  x86_64: { elf: 0x3e, pe: 0x8664, macho: 0x01000007 },
  aarch64: { elf: 0xb7, pe: 0xaa64, macho: 0x0100000c },
};

/** An empty program for a target such as `x86_64-unknown-linux-gnu` */
export function emptyProgram(target: string): Uint8Array<ArrayBuffer> {
  const { elf, pe, macho } = MACHINES[target.split("-")[0]];
  if (target.includes("windows")) return portableExecutable(pe);
  return target.includes("apple") ? machO(macho) : elfFile(elf);
}

function elfFile(machine: number) {
  const { bytes, view } = allocate(120);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // magic, 64 bits, little-endian, version
  view.setUint16(16, 2, true); // type: executable
  view.setUint16(18, machine, true); // machine
  view.setUint32(20, 1, true); // version
  view.setBigUint64(32, 64n, true); // offset of program headers
  view.setUint16(52, 64, true); // size of this header
  view.setUint16(54, 56, true); // size of a program header
  view.setUint16(56, 1, true); // number of program headers
  view.setUint16(58, 64, true); // size of a section header
  view.setUint32(64, 1, true); // program header, type: load
  view.setUint32(68, 5, true); // flags: read, execute
  view.setBigUint64(80, 0x400000n, true); // virtual address
  view.setBigUint64(88, 0x400000n, true); // physical address
  view.setBigUint64(96, 120n, true); // size in the file
  view.setBigUint64(104, 120n, true); // size in memory
  view.setBigUint64(112, 0x1000n, true); // alignment
  return bytes;
}

function portableExecutable(machine: number) {
  const { bytes, view } = allocate(1024);
  bytes.set([0x4d, 0x5a]); // "MZ"
  view.setUint32(60, 64, true); // offset of the next line
  bytes.set([0x50, 0x45], 64); // "PE"
  view.setUint16(68, machine, true); // machine
  view.setUint16(70, 1, true); // number of sections
  view.setUint16(84, 240, true); // size of optional header
  view.setUint16(86, 0x22, true); // characteristics: executable, large addresses
  view.setUint16(88, 0x20b, true); // optional header: PE32+
  view.setUint32(92, 512, true); // size of code
  view.setUint32(104, 0x1000, true); // entry point
  view.setUint32(108, 0x1000, true); // base of code
  view.setBigUint64(112, 0x140000000n, true); // image base
  view.setUint32(120, 0x1000, true); // section alignment
  view.setUint32(124, 512, true); // file alignment
  view.setUint16(128, 6, true); // operating system version
  view.setUint16(136, 6, true); // subsystem version
  view.setUint32(144, 0x2000, true); // size of image
  view.setUint32(148, 512, true); // size of headers
  view.setUint16(156, 3, true); // subsystem: console
  view.setUint32(196, 16, true); // number of data directories
  writeName(bytes, 328, ".text"); // the section
  view.setUint32(336, 1, true); // virtual size
  view.setUint32(340, 0x1000, true); // virtual address
  view.setUint32(344, 512, true); // size of raw data
  view.setUint32(348, 512, true); // offset of raw data
  view.setUint32(364, 0x60000020, true); // characteristics: code, execute, read
  return bytes;
}

function machO(cpu: number) {
  const { bytes, view } = allocate(0x8000);
  view.setUint32(0, 0xfeedfacf, true); // magic, 64 bits
  view.setUint32(4, cpu, true); // type of processor
  view.setUint32(12, 2, true); // type: executable
  view.setUint32(16, 3, true); // number of commands
  view.setUint32(20, 160, true); // their size
  writeSegment(view, { at: 32, name: "__TEXT", offset: 0n });
  writeSegment(view, { at: 104, name: "__LINKEDIT", offset: 0x4000n });
  view.setUint32(176, 0x1d, true); // command: code signature
  view.setUint32(180, 16, true); // size of command
  view.setUint32(184, 0x7f00, true); // offset of the signature
  view.setUint32(188, 0x100, true); // its size
  return bytes;
}

function writeSegment(
  view: DataView<ArrayBuffer>,
  { at, name, offset }: { at: number; name: string; offset: bigint },
) {
  view.setUint32(at, 0x19, true); // command: segment of 64 bits
  view.setUint32(at + 4, 72, true); // size of command
  writeName(new Uint8Array(view.buffer), at + 8, name);
  view.setBigUint64(at + 24, 0x100000000n + offset, true); // address
  view.setBigUint64(at + 32, 0x4000n, true); // size in memory
  view.setBigUint64(at + 40, offset, true); // offset in the file
  view.setBigUint64(at + 48, 0x4000n, true); // size in the file
}

function writeName(bytes: Uint8Array<ArrayBuffer>, at: number, name: string) {
  new TextEncoder().encodeInto(name, bytes.subarray(at));
}

function allocate(length: number) {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}
