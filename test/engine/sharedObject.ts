import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Writes the smallest shared library that the dynamic linker opens: it has a name, needs others, and holds nothing. */
export function writeSharedObject(file: string, needed: readonly string[] = []): void {
  const DT = { NULL: 0, NEEDED: 1, STRTAB: 5, SYMTAB: 6, STRSZ: 10, SYMENT: 11, SONAME: 14 };
  const names = [path.basename(file), ...needed];
  const strings = Buffer.from(`\0${names.join("\0")}\0`);
  const place = (name: string): number => strings.indexOf(`\0${name}\0`) + 1;
  const stringsAt = 64 + 2 * 56;
  const symbolsAt = Math.ceil((stringsAt + strings.length) / 8) * 8;
  const dynamicAt = symbolsAt + 24;
  const dynamic = [
    [DT.SONAME, place(names[0]!)], ...needed.map((name) => [DT.NEEDED, place(name)]),
    [DT.STRTAB, stringsAt], [DT.SYMTAB, symbolsAt], [DT.STRSZ, strings.length], [DT.SYMENT, 24], [DT.NULL, 0],
  ].flat();
  const size = dynamicAt + 8 * dynamic.length;
  const elf = Buffer.alloc(size);
  const put = (at: number, ...values: number[]): void => values.forEach((value, i) => elf.writeBigUInt64LE(BigInt(value), at + 8 * i));
  // Header: ELF, 64 bits, little-endian, version 1; a shared object for x86-64; two program headers right behind.
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(elf);
  elf.writeUInt16LE(3, 16);
  elf.writeUInt16LE(62, 18);
  elf.writeUInt32LE(1, 20);
  put(32, 64);
  [64, 56, 2, 64].forEach((value, i) => elf.writeUInt16LE(value, 52 + 2 * i));
  // PT_LOAD of everything, and PT_DYNAMIC; both readable and writable.
  for (const [at, type, offset, bytes, align] of [[64, 1, 0, size, 4096], [120, 2, dynamicAt, 8 * dynamic.length, 8]] as const) {
    elf.writeUInt32LE(type, at);
    elf.writeUInt32LE(6, at + 4);
    put(at + 8, offset, offset, offset, bytes, bytes, align);
  }
  strings.copy(elf, stringsAt);
  put(dynamicAt, ...dynamic);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, elf);
}
