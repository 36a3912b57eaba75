import { closeSync, openSync } from "node:fs";
import koffi from "koffi";

const POSIX_FADV_DONTNEED = 4;

let advise: ((fd: number, offset: number, length: number, advice: number) => number) | undefined;

/**
 * Asks the kernel to forget what it holds of files in memory, so that the next read comes from the disk. What another
 * process maps stays.
 */
export function forgetFiles(files: readonly string[]): void {
  advise ??= koffi.load("libc.so.6").func("int posix_fadvise(int, int64_t, int64_t, int)");
  for (const file of files) {
    const descriptor = openSync(file, "r");
    try {
      const code = advise!(descriptor, 0, 0, POSIX_FADV_DONTNEED);
      if (code !== 0) throw new Error(`posix_fadvise of ${file}: error ${code}`);
    } finally {
      closeSync(descriptor);
    }
  }
}
