import { allOf } from "./all";
import { dpo } from "./dpo";
import { BenchFailure } from "./failure";
import { generate } from "./generate";
import { growth } from "./growth";
import { kernel } from "./kernel";
import { load } from "./load";
import { memory } from "./memory";
import type { Part } from "./parts";
import { reward } from "./reward";
import { rollout } from "./rollout";
import { sftLora } from "./sftLora";
import { step } from "./step";

/** A bench: what it is called, what it says of itself, and what runs it. */
export interface Bench {
  summary: string;
  usage: string;
  run(args: string[]): Promise<void>;
  /**
   * What `all` runs of it; without it the bench is run once, without options. The JSON line of each has `table: TableRow[]`.
   * @param out the folder for charts
   */
  parts?(out: string): readonly Part[];
}

/** What `all` runs, by its command, in this order. */
const measured: Record<string, Bench> = {
  step,
  dpo,
  reward,
  "sft-lora": sftLora,
  memory,
  generate,
  rollout,
  load,
  kernel,
  growth,
};

const benches: Record<string, Bench> = { ...measured, all: allOf(measured) };

const usage = `npm run bench -- NAME [options]
Measures this library beside its peers in one run, and ends with one JSON line. All print the ratio, both medians, their spread and peak memory.

${Object.entries(benches).map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`).join("\n")}

npm run bench -- NAME --help lists a bench's options.
Exit codes: 0 measured, 1 an error, 2 unknown bench, option or bad value, 3 the machine was busy, so nothing is reported.`;

/** Runs the bench that the arguments name and returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h") {
    console.log(usage);
    return name === undefined ? 2 : 0;
  }
  const bench = Object.hasOwn(benches, name) ? benches[name]! : undefined;
  if (!bench) {
    console.error(`${JSON.stringify(name)} is no bench; there ${Object.keys(benches).length === 1 ? "is" : "are"} ${Object.keys(benches).join(", ")}.`);
    return 2;
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    console.log(bench.usage);
    return 0;
  }
  try {
    await bench.run(rest);
    return 0;
  } catch (error) {
    if (error instanceof BenchFailure) {
      console.error(error.message);
      return error.exitCode;
    }
    const { name: kind, message, details } = error as Error & { details?: string };
    console.error(kind === "SetupFailure" ? [details, message].filter(Boolean).join("\n") : error);
    return 1;
  }
}

if (require.main === module) {
  main(process.argv.slice(2)).then((code) => (process.exitCode = code));
}
