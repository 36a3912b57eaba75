import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { binding, tf } from "./backend";
import { hasTensorflow } from "./capi";
import type { Precision } from "./recorder";

/** Whether a device multiplies bfloat16 numbers itself, and how that is known. */
export interface Bfloat16Support {
  native: boolean;
  /** For a message: the instructions found, or those that are missing. */
  why: string;
}

/** Environment variable: 1 computes in bfloat16 whatever the processor has, 0 never does. */
export const BFLOAT16_VARIABLE = "ALIGNLAB_BFLOAT16";

/** By platform: where the processor lists its instructions, and those of bfloat16 among them. */
const CPU_SOURCES: Partial<Record<NodeJS.Platform, { read: () => string; list: RegExp; names: readonly string[] }>> = {
  linux: {
    read: () => readFileSync("/proc/cpuinfo", "utf8"),
    list: /^(?:flags|Features)\s*:(.*)$/m,
    names: ["avx512_bf16", "amx_bf16", "bf16"],
  },
  darwin: {
    read: () => execFileSync("sysctl", ["hw.optional.arm.FEAT_BF16"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    list: /^hw\.optional\.arm\.(FEAT_BF16): 1$/m,
    names: ["FEAT_BF16"],
  },
};

/**
 * What a CPU says of itself.
 * @param text Linux's /proc/cpuinfo, or macOS's `sysctl hw.optional.arm.FEAT_BF16`; null where it cannot be read
 */
export function cpuBfloat16(platform: NodeJS.Platform, text: string | null): Bfloat16Support {
  const source = CPU_SOURCES[platform];
  if (!source) return { native: false, why: `it is not known how to ask a CPU on ${platform} for bfloat16 instructions` };
  const listed = new Set((source.list.exec(text ?? "")?.[1] ?? "").split(/\s+/));
  const found = source.names.filter((name) => listed.has(name));
  if (found.length > 0) return { native: true, why: `the CPU has ${found.join(", ")}` };
  return { native: false, why: `this CPU has no instructions for bfloat16 (${source.names.join(", ")})` };
}

/**
 * What NVIDIA GPUs say of themselves: bfloat16 came with Ampere, compute capability 8.0.
 * @param text of `nvidia-smi --query-gpu=compute_cap --format=csv,noheader`; null where it cannot be run
 */
export function gpuBfloat16(text: string | null): Bfloat16Support {
  const capability = /^\s*(\d+\.\d+)\s*$/m.exec(text ?? "")?.[1];
  if (capability === undefined) return { native: false, why: "nvidia-smi does not tell the GPU's compute capability; bfloat16 needs 8.0" };
  const float16 = Number(capability) >= 7 && Number(capability) < 8 ? ", and its tensor cores compute float16 (precision \"float16\", with a loss scale)" : "";
  return { native: Number(capability) >= 8, why: `the GPU has compute capability ${capability}; bfloat16 needs 8.0${float16}` };
}

/**
 * The question to nvidia-smi about the GPU that TensorFlow takes: the first that CUDA_VISIBLE_DEVICES names, by number or by
 * id, else the first of all.
 */
export function capabilityQuery({ CUDA_VISIBLE_DEVICES: visible }: NodeJS.ProcessEnv): string[] {
  const first = visible?.split(",")[0]!.trim();
  return ["--query-gpu=compute_cap", "--format=csv,noheader", ...(first ? [`--id=${first}`] : [])];
}

/** Of the device that holds tensors. */
export function bfloat16Support(): Bfloat16Support {
  if (binding.context.gpu) return gpuBfloat16(attempt(() => execFileSync("nvidia-smi", capabilityQuery(process.env), { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })));
  return cpuBfloat16(process.platform, attempt(() => CPU_SOURCES[process.platform]?.read() ?? null));
}

function attempt(read: () => string | null): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}

let known: Bfloat16Support | null = null;
let hasWarned = false;

/** Whether this process can compute in 16 bits at all: only TensorFlow does. */
export const hasNarrowPrecision = (): boolean => hasTensorflow;

/**
 * The precision to compute in: bfloat16 without instructions of its own is slower than float32, so float32 takes its
 * place, and one warning says so. float16 is never chosen by itself: it needs a loss scale.
 */
export function resolvePrecision(asked: Precision, support: () => Bfloat16Support = () => (known ??= bfloat16Support())): Precision {
  if (!hasTensorflow && asked !== "float32") return inFloat32(`Precision ${asked} was asked for, but the ${tf.getBackend()} backend computes in float32 only: computing in float32.`);
  const forced = process.env[BFLOAT16_VARIABLE];
  if (asked !== "bfloat16" || forced === "1") return asked;
  const { native, why } = forced === "0" ? { native: false, why: `${BFLOAT16_VARIABLE} is 0` } : support();
  if (native) return asked;
  return inFloat32(`Precision bfloat16 was asked for, but ${why}: computing in float32. Set ${BFLOAT16_VARIABLE}=1 to compute in bfloat16 all the same.`);
}

function inFloat32(warning: string): Precision {
  if (!hasWarned) {
    hasWarned = true;
    console.warn(warning);
  }
  return "float32";
}
