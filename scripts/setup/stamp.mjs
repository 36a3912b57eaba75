import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Writes a file under a temporary name and renames it, so that nobody ever reads half of it. */
export function writeWhole(file, content) {
  mkdirSync(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.part`;
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Writes only when the content differs; returns whether it did. */
export function writeIfChanged(file, content) {
  if (readText(file) === content) return false;
  writeWhole(file, content);
  return true;
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** What a stamp holds, or undefined when it is missing or unreadable. */
export function readStamp(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Written as the last act of a part of the set-up: its presence says that the part is whole. */
export function writeStamp(file, value) {
  writeWhole(file, `${JSON.stringify(value, null, 1)}\n`);
}
