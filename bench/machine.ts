import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";

/** The machine that figures were measured on. */
export interface Machine {
  cpu: string;
  threads: number;
  memoryGb: number;
  /** Of the instruction sets that matter, those that the processor has. */
  instructions: string[];
  system: string;
  node: string;
}

/** Names of instruction sets, and the words for them in /proc/cpuinfo. */
const INSTRUCTIONS: Record<string, string> = {
  AVX2: "avx2", AVX512: "avx512f", AVX512_VNNI: "avx512_vnni", AVX512_BF16: "avx512_bf16", AMX_BF16: "amx_bf16", AMX_INT8: "amx_int8",
};

/** Instruction sets that a processor has, from the text of /proc/cpuinfo. */
export function instructionsOf(cpuinfo: string): string[] {
  const words = new Set((/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? "").split(/\s+/));
  return Object.keys(INSTRUCTIONS).filter((name) => words.has(INSTRUCTIONS[name]!));
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown CPU", threads: availableParallelism(), memoryGb: Number((totalmem() / 1e9).toFixed(1)),
    instructions: instructionsOf(readFileSync("/proc/cpuinfo", "utf8")), system: `Linux ${release()}`, node: process.versions.node,
  };
}

export function describeMachine({ cpu, threads, memoryGb, instructions }: Machine): string {
  return `${cpu}, ${threads} thread${threads === 1 ? "" : "s"}, ${memoryGb} GB of memory, ${instructions.length > 0 ? instructions.join(", ") : "none of AVX2, AVX512 and AMX"}`;
}
