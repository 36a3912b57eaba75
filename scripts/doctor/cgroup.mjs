import path from 'node:path';

const ROOT = '/sys/fs/cgroup';

/**
 * The folders that hold the limits of this process, its own group first and then those above it.
 * @param {(file: string) => string | undefined} readText @param {string} controller as version 1 names it: "cpu", "memory"
 * @returns {{ version: 1 | 2, folders: string[] }[]} of version 2, and of version 1 where that is in use
 */
function hierarchies(readText, controller) {
  const lines = (readText('/proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'));
  const own = lines.find(([, controllers]) => controllers?.split(',').includes(controller))?.slice(2).join(':');
  const unified = lines.find(([number, controllers]) => number === '0' && controllers === '')?.slice(2).join(':');
  return [
    { version: 2, folders: upwards(ROOT, unified ?? '/') },
    { version: 1, folders: upwards(path.join(ROOT, controller), own ?? '/') },
  ];
}

/** Inside a container the group's path may be the host's, of which only the top is mounted: folders that do not exist limit nothing. */
function upwards(top, group) {
  const parts = group.split('/').filter(Boolean);
  return Array.from({ length: parts.length + 1 }, (_, up) => path.join(top, ...parts.slice(0, parts.length - up)));
}

const smallest = (values) => values.reduce((least, value) => (Number.isFinite(value) && value > 0 ? Math.min(least, value) : least), Infinity);

/** Cores that the control groups allow, such as 1.5; undefined when they set no limit. */
export function cpuQuota(readText) {
  const quotas = hierarchies(readText, 'cpu').flatMap(({ version, folders }) => folders.map((folder) => {
    if (version === 2) {
      const [quota, period] = (readText(path.join(folder, 'cpu.max')) ?? '').trim().split(' ').map(Number);
      return quota / period;
    }
    return Number(readText(path.join(folder, 'cpu.cfs_quota_us'))) / Number(readText(path.join(folder, 'cpu.cfs_period_us')));
  }));
  const least = smallest(quotas);
  return least === Infinity ? undefined : least;
}

/** A "no limit" of version 1 is the largest number of whole pages. */
const NO_LIMIT = 2 ** 60;

/**
 * Memory that the control groups allow.
 * @returns {{ limit: number, used: number } | undefined} bytes, of the group that leaves least; undefined without a limit
 */
export function memoryLimit(readText) {
  const number = (file) => Number(readText(file) ?? NaN);
  const groups = hierarchies(readText, 'memory').flatMap(({ version, folders }) => folders.map((folder) => {
    const [limit, used] = version === 2 ? ['memory.max', 'memory.current'] : ['memory.limit_in_bytes', 'memory.usage_in_bytes'];
    return { limit: number(path.join(folder, limit)), used: number(path.join(folder, used)) || 0 };
  })).filter(({ limit }) => limit > 0 && limit < NO_LIMIT);
  return groups.sort((a, b) => a.limit - a.used - (b.limit - b.used))[0];
}
