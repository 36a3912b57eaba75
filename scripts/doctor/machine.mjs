import { requireMachine } from '../setup/machine.mjs';
import { cpuQuota, memoryLimit } from './cgroup.mjs';
import { advise, amiss, gigabytes, judged, ok } from './row.mjs';

/** The operating system, its C library, and what it runs in. */
export function systemProbe({ system, environment, paths }) {
  const { platform, arch, glibc } = system.machine;
  const values = { platform, arch, glibc: glibc ?? null, container: containerOf(system, environment) ?? null, wsl: wslOf(system) ?? null };
  const found = [`${platform} ${arch}`, glibc ? `glibc ${glibc}` : 'no glibc', values.container && `in a container (${values.container})`, values.wsl].filter(Boolean).join(', ');
  try {
    // Instruction sets have a row of their own.
    requireMachine({ ...system.machine, cpuFlags: undefined });
  } catch (error) {
    return amiss(found, error.message, values);
  }
  if (values.wsl === 'WSL1') return advise(found, 'WSL1 is slow with many files: turn this distribution into WSL2 ("wsl --set-version NAME 2" in Windows).', values);
  if (values.wsl && paths.root.startsWith('/mnt/')) return advise(found, "The project lies on a Windows drive, where every file takes long: move it into WSL's own file system, such as ~/.", values);
  return ok(found, values);
}

function containerOf({ exists, readText }, environment) {
  if (exists('/run/.containerenv')) return 'Podman';
  if (environment.KUBERNETES_SERVICE_HOST) return 'Kubernetes';
  if (exists('/.dockerenv')) return 'Docker';
  const named = environment.container || /\b(docker|containerd|kubepods|lxc)\b/.exec(readText('/proc/1/cgroup') ?? '')?.[1];
  return named || undefined;
}

function wslOf({ readText }) {
  const release = readText('/proc/sys/kernel/osrelease') ?? '';
  if (!/microsoft/i.test(release)) return undefined;
  return /WSL2|microsoft-standard/.test(release) ? 'WSL2' : 'WSL1';
}

/** Names of instruction sets, and the words for them in /proc/cpuinfo. */
const INSTRUCTION_SETS = {
  AVX: 'avx', AVX2: 'avx2', FMA: 'fma', F16C: 'f16c', AVX512: 'avx512f', AVX512_BF16: 'avx512_bf16', AMX_BF16: 'amx_bf16', AMX_INT8: 'amx_int8',
};

/** What the processor computes with, and whether that makes bfloat16 worth while. */
export function instructionsProbe({ system }) {
  const { cpuFlags } = system.machine;
  if (cpuFlags === undefined) return advise('unknown: /proc/cpuinfo names no flags', 'TensorFlow needs AVX; whether this processor has it shows when its row loads the library.', { present: null, bfloat16: null });
  const words = new Set(cpuFlags.trim().split(/\s+/));
  const present = Object.keys(INSTRUCTION_SETS).filter((name) => words.has(INSTRUCTION_SETS[name]));
  const native = present.filter((name) => name.endsWith('_BF16'));
  const values = { present, bfloat16: native.length > 0 };
  const list = present.join(', ') || 'none of those that matter';
  if (!present.includes('AVX')) return amiss(list, "TensorFlow's library needs AVX: use another machine, or let the virtual machine show its processor's own flags (QEMU: -cpu host).", values);
  if (native.length > 0) return ok(`${list}; bfloat16 is native (${native.join(', ')}): precision "bfloat16" is the fast one`, values);
  const slow = present.includes('AVX2') && present.includes('FMA') ? '' : ' Without AVX2 and FMA all products are slow.';
  return advise(`${list}; bfloat16 is not native`, `Train in float32 (precision: "float32"): bfloat16 products would be emulated, and slower.${slow}`, values);
}

/** Threads that TensorFlow will take, and cores that are there for them. */
export function threadsProbe({ system, environment }) {
  const quota = cpuQuota(system.readText);
  const usable = Math.max(1, Math.floor(Math.min(system.cores, quota ?? Infinity)));
  const asked = ['ALIGNLAB_INTRA_OP_THREADS', 'ALIGNLAB_INTER_OP_THREADS'].map((name) => ({ name, text: environment[name] })).filter(({ text }) => text !== undefined);
  const values = { cores: system.cores, quota: quota ?? null, intraOpThreads: environment.ALIGNLAB_INTRA_OP_THREADS ?? null, interOpThreads: environment.ALIGNLAB_INTER_OP_THREADS ?? null };
  const found = [`${system.cores} core${system.cores === 1 ? '' : 's'}`, quota !== undefined && `control group allows ${Number(quota.toFixed(2))}`, ...asked.map(({ name, text }) => `${name}=${text}`)].filter(Boolean).join(', ');
  const wrong = asked.find(({ text }) => !/^[1-9]\d*$/.test(text));
  if (wrong) return amiss(found, `${wrong.name} must be a whole number from 1: the engine does not start with ${JSON.stringify(wrong.text)}. Unset it, or set it to ${usable}.`, values);
  const intra = Number(environment.ALIGNLAB_INTRA_OP_THREADS ?? system.cores);
  // With one thread within ops as many ops run side by side as there are cores.
  const busy = intra === 1 ? Number(environment.ALIGNLAB_INTER_OP_THREADS ?? usable) : intra;
  if (intra > usable) return advise(found, `${intra} threads would share ${usable} core${usable === 1 ? '' : 's'}: set ALIGNLAB_INTRA_OP_THREADS=${usable}.`, values);
  if (busy < usable) return advise(found, `${usable - busy} core${usable - busy === 1 ? '' : 's'} stand${usable - busy === 1 ? 's' : ''} idle while training: unset ${asked.map(({ name }) => name).join(' and ')}.`, values);
  return ok(found, values);
}

const COMFORTABLE = 8e9;
/** What loading the packaged model and its shortest training step take. */
const LEAST = 3e9;

/** Memory that a training may take. */
export function memoryProbe({ system }) {
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(system.readText('/proc/meminfo') ?? '')?.[1] ?? NaN) * 1024;
  const group = memoryLimit(system.readText);
  const limited = group !== undefined && group.limit < system.totalMemory;
  const total = limited ? group.limit : system.totalMemory;
  const free = Math.min(...[available, limited ? group.limit - group.used : NaN, total].filter(Number.isFinite));
  const values = { total: system.totalMemory, available: Number.isFinite(available) ? available : null, limit: limited ? group.limit : null, free };
  const found = [`${gigabytes(system.totalMemory)} in all`, limited && `control group allows ${gigabytes(group.limit)}`, `${gigabytes(free)} free`].filter(Boolean).join(', ');
  const smaller = 'use the profile "quick" (ALIGNLAB_PROFILE=quick npm start) or a smaller perDeviceTrainBatchSize with gradientAccumulationSteps';
  return judged(found, [
    total < LEAST && { needed: true, advice: `Training the packaged model needs about ${gigabytes(LEAST)}: raise the limit of the container or virtual machine, or use another machine.` },
    total < COMFORTABLE && { advice: `Under 8 GB: ${smaller}; notebook 01 at its default profile takes 5 to 6 GB.` },
    free < COMFORTABLE * 0.75 && { advice: `Little is free: end other programs, or ${smaller}; notebook 01 at its default profile takes 5 to 6 GB.` },
  ].filter(Boolean), values);
}
