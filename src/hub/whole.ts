import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";

const besideOf = (file: string): string => `${file}.${process.pid}.part`;

/** Writes a file under a temporary name beside its target and renames it, so that a reader never sees half of it. */
export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = besideOf(file);
  await writeFile(temporary, content);
  await rename(temporary, file);
}

/** `writeWhole`, done when it returns. */
export function writeWholeSync(file: string, content: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const temporary = besideOf(file);
  writeFileSync(temporary, content);
  renameSync(temporary, file);
}

/**
 * Puts a folder in its place once it is whole; what was there stays until then.
 * @param write makes the folder that it is given and writes into it @param kept names in the former folder that move into
 * the new one @param hidden whether the name in between begins with a dot
 */
export async function writeWholeFolder(target: string, write: (folder: string) => unknown, { kept = [], hidden = false }: { kept?: readonly string[]; hidden?: boolean } = {}): Promise<void> {
  const beside = path.join(path.dirname(target), `${hidden ? "." : ""}${path.basename(target)}.${process.pid}`);
  const [temporary, former] = [`${beside}.part`, `${beside}.former`];
  try {
    await rm(temporary, { recursive: true, force: true });
    await write(temporary);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  if (!existsSync(target)) return rename(temporary, target);
  for (const name of kept) await rename(path.join(target, name), path.join(temporary, name));
  await rename(target, former);
  await rename(temporary, target);
  await rm(former, { recursive: true, force: true });
}
