import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Machine } from "./machine";
import { partFile, type PlannedPart } from "./parts";
import type { TableRow } from "./table";

/** What became of one part. */
export interface PartResult {
  part: string;
  bench: string;
  status: "measured" | "disturbed" | "failed";
  /** Why there are no figures; empty where there are. */
  reason: string;
  /** ISO 8601. */
  date: string;
  seconds: number;
  /** The code that was measured, see `sourceSum`. */
  source: string;
  machine: Machine;
  /** The bench's own JSON line; null without one. */
  json: { table: TableRow[]; versions?: Record<string, string>; busy?: boolean } & Record<string, unknown> | null;
}

/** A sum of everything that figures depend on in the project: sources, benches, pinned packages. */
export function sourceSum(root: string): string {
  const hash = createHash("sha256");
  const files = ["src", "kernel", "bench"].flatMap((folder) => readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mts|mjs|cjs|py)$/.test(entry.name)).map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name))));
  for (const file of [...files.sort(), "package-lock.json", path.join("requirements", "peer.txt"), path.join("requirements", "tensorflow.txt")]) hash.update(`${file}\0`).update(readFileSync(path.join(root, file)));
  return hash.digest("hex").slice(0, 16);
}

/** Keeps results in a folder, one file a part, so that a run that was stopped can go on. */
export class ResultFolder {
  constructor(readonly folder: string) {}

  /** The result of a part from an earlier run of the same code on the same machine; null where there is none, or none with figures. */
  measured(part: PlannedPart, source: string, machine: Machine): PartResult | null {
    const file = path.join(this.folder, partFile(part));
    if (!existsSync(file)) return null;
    const result = JSON.parse(readFileSync(file, "utf8")) as PartResult;
    const same = result.part === part.name && result.source === source && JSON.stringify(result.machine) === JSON.stringify(machine);
    return same && result.status === "measured" ? result : null;
  }

  /** Written whole or not at all: a stop never leaves half a result. */
  keep(part: PlannedPart, result: PartResult): void {
    mkdirSync(this.folder, { recursive: true });
    const file = path.join(this.folder, partFile(part));
    writeFileSync(`${file}.part`, `${JSON.stringify(result, null, 1)}\n`);
    renameSync(`${file}.part`, file);
  }
}
