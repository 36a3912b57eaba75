import { existsSync, readFileSync, statSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { SetupFailure } from './failure.mjs';

const MB = 2 ** 20;

/** What this machine is, as far as the set-up cares. */
export function thisMachine() {
  const report = process.platform === 'linux' ? process.report?.getReport().header : undefined;
  return {
    platform: process.platform,
    arch: process.arch,
    glibc: report?.glibcVersionRuntime,
    cpuFlags: process.platform === 'linux' ? cpuFlags() : undefined,
  };
}

function cpuFlags() {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8').match(/^flags\s*:(.*)$/m)?.[1];
  } catch {
    return undefined;
  }
}

/** @throws SetupFailure unless TensorFlow 2.21's CPU wheel exists for this machine. */
export function requireMachine({ platform, arch, glibc, cpuFlags } = thisMachine()) {
  const wheel = "TensorFlow 2.21's CPU wheel exists for Linux on x86-64 only";
  if (platform === 'win32') {
    throw new SetupFailure('platform', `On Windows, Alignlab runs inside WSL2 (Windows Subsystem for Linux): install it with "wsl --install", clone the project inside it, and run the command there.`);
  }
  if (platform === 'darwin') {
    throw new SetupFailure('platform', `${wheel}, not for macOS. The engine knows the library names of macOS (ALIGNLAB_TENSORFLOW), but that was never run. Use a Linux machine or a Linux container on x86-64.`);
  }
  if (platform !== 'linux' || arch !== 'x64') {
    throw new SetupFailure('platform', `${wheel}; this is ${platform} on ${arch}.`);
  }
  if (!atLeast(glibc, 2, 27)) {
    throw new SetupFailure('platform', `${wheel} with glibc 2.27 or newer; this system has ${glibc ? `glibc ${glibc}` : 'another C library (musl, as in Alpine)'}. Use Debian, Ubuntu, Fedora or one of their relatives.`);
  }
  if (cpuFlags !== undefined && !/\bavx\b/.test(cpuFlags)) {
    throw new SetupFailure('platform', `${wheel} with AVX instructions, which this processor (or virtual machine) does not offer.`);
  }
}

function atLeast(version, major, minor) {
  if (!version) return false;
  const [a, b] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}

/** Bytes free for this user where `folder` is or will be. */
export function freeBytes(folder) {
  const { bavail, bsize } = statfsSync(existingAbove(folder));
  return bavail * bsize;
}

/** The folder itself, or the nearest above it that exists. */
export function existingAbove(folder) {
  let existing = path.resolve(folder);
  while (!existsSync(existing)) existing = path.dirname(existing);
  return existing;
}

/**
 * @param {{ folder: string, megabytes: number }[]} needs
 * @throws SetupFailure when a folder has less space than everything that goes there needs, folders on one disk added up
 */
export function requireSpace(needs, free = freeBytes, deviceOf = deviceOfFolder) {
  const disks = new Map();
  for (const { folder, megabytes } of needs) {
    const device = deviceOf(folder);
    const disk = disks.get(device) ?? { folder, megabytes: 0 };
    disk.megabytes += megabytes;
    disks.set(device, disk);
  }
  for (const { folder, megabytes } of disks.values()) {
    const bytes = free(folder);
    if (bytes >= megabytes * MB) continue;
    throw new SetupFailure('disk', `Not enough disk space for ${folder}: what is missing needs ${megabytes} MB, and ${Math.floor(bytes / MB)} MB are free. Free some space and run the command again.`);
  }
}

function deviceOfFolder(folder) {
  return statSync(existingAbove(folder)).dev;
}
