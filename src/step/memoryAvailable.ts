import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import path from "node:path";

/** Reads a file, or null where there is none. */
export type Read = (file: string) => string | null;

const fromDisk: Read = (file) => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
};

/**
 * Bytes that this process may take beside what it holds: the least of what the machine has left and what each control
 * group above the process leaves it (containers, systemd).
 */
export function availableBytes(read: Read = fromDisk): number {
  const machine = /^MemAvailable:\s+(\d+) kB$/m.exec(read("/proc/meminfo") ?? "")?.[1];
  return Math.min(machine === undefined ? freemem() : Number(machine) * 1024, ...groupsLeft(read));
}

/** What each memory control group above the process leaves, of version 2 or 1. */
function groupsLeft(read: Read): number[] {
  return (read("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, controllers, group] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (group === undefined) return [];
    if (controllers === "") return left("/sys/fs/cgroup", group, { limit: "memory.max", used: "memory.current", cached: /^inactive_file (\d+)$/m }, read);
    if (controllers!.split(",").includes("memory")) return left("/sys/fs/cgroup/memory", group, { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", cached: /^total_inactive_file (\d+)$/m }, read);
    return [];
  });
}

function left(root: string, group: string, files: { limit: string; used: string; cached: RegExp }, read: Read): number[] {
  const found: number[] = [];
  // Inside a container the path may be the host's, of which only the root is there.
  for (let folder = path.posix.join(root, group); folder.startsWith(root); folder = path.posix.dirname(folder)) {
    const [limit, used] = [files.limit, files.used].map((name) => Number.parseInt(read(`${folder}/${name}`) ?? "", 10));
    // Files that were read and can be read again are counted as used, and given up when memory is short.
    const cached = Number(files.cached.exec(read(`${folder}/memory.stat`) ?? "")?.[1] ?? 0);
    if (Number.isFinite(limit) && Number.isFinite(used)) found.push(Math.max(0, limit! - used! + cached));
  }
  return found;
}

/**
 * Bytes that this process may hold in all: what it holds now and what is available, or what ALIGNLAB_MEMORY_GB says.
 * @param resident what the process holds now @throws RangeError for a value of ALIGNLAB_MEMORY_GB that is no number above 0
 */
export function memoryLimit(resident: number): number {
  const given = process.env.ALIGNLAB_MEMORY_GB;
  if (given === undefined || given === "") return resident + availableBytes();
  if (!(Number(given) > 0)) throw new RangeError(`ALIGNLAB_MEMORY_GB is ${JSON.stringify(given)}; the memory in GB that this process may take is needed, such as 8.`);
  return Number(given) * 1e9;
}
