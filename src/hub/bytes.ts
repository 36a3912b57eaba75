import { closeSync, fstatSync, openSync, readSync } from "node:fs";

// The kernel gives at most 2 GiB − 4 KiB per read.
const LARGEST_READ = 1 << 30;

/** Reads `length` bytes at `position` of an open file into a buffer of their own.
 *  @throws when the file ends before. */
export function readBytes(handle: number, position: number, length: number, what: string): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = readSync(handle, bytes, done, Math.min(length - done, LARGEST_READ), position + done);
    if (count === 0) throw new Error(`${what} is cut short: it ends at byte ${position + done}, ${length - done} before it should. Download it again.`);
    done += count;
  }
  return bytes;
}

/** Opens a file for the time of one reading. */
export function withFile<T>(file: string, read: (handle: number, size: number) => T): T {
  const handle = openSync(file, "r");
  try {
    return read(handle, fstatSync(handle).size);
  } finally {
    closeSync(handle);
  }
}
