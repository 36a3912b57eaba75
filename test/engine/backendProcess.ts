import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import type { Computed } from "./backendChild";

// A process has one backend, so what is to be compared is computed by processes of their own.

const root = path.resolve(__dirname, "..", "..");
/** The cache of all of a test file's processes. */
export const cache = mkdtempSync(path.join(tmpdir(), "alignlab-backends-"));
after(() => rmSync(cache, { recursive: true, force: true }));

export interface Ended {
  code: number | null;
  output: string;
  errors: string;
}

/** Runs a script of this folder, or with `-e` a line of one. */
export function run(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<Ended> {
  const { ALIGNLAB_BACKEND: _, ALIGNLAB_WEBGPU_SOFTWARE: __, ...inherited } = process.env;
  const script = args[0] === "-e" ? args : [path.join(__dirname, args[0]!), ...args.slice(1)];
  const child = spawn(process.execPath, ["--import", "tsx", ...script], { cwd: root, env: { ...inherited, ALIGNLAB_SENTINEL: "1", ...environment } });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (text) => (output += text));
  child.stderr.on("data", (text) => (errors += text));
  return new Promise((resolve, reject) => child.once("error", reject).once("close", (code) => resolve({ code, output, errors })));
}

/** Runs a script that ends well, and reads the last line of its output. */
export async function answerOf<T>(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<{ answer: T; errors: string }> {
  const { code, output, errors } = await run(args, environment);
  assert.equal(code, 0, errors);
  return { answer: JSON.parse(output.trimEnd().split("\n").at(-1)!) as T, errors };
}

/** The figures of a tiny model on a backend. */
export const computed = (backend: string, environment: NodeJS.ProcessEnv = {}): Promise<{ answer: Computed; errors: string }> =>
  answerOf<Computed>(["backendChild.ts"], { ALIGNLAB_BACKEND: backend, ALIGNLAB_CACHE: path.join(cache, backend), ...environment });

/** Fails where |a − b| is more than so large a share of |b|, of vectors. */
export function close(a: readonly number[], b: readonly number[], tolerance: number, what: string): void {
  assert.equal(a.length, b.length);
  const norm = (of: (i: number) => number): number => Math.sqrt(b.reduce((sum, _, i) => sum + of(i) ** 2, 0));
  const found = norm((i) => a[i]! - b[i]!) / norm((i) => b[i]!);
  assert.ok(found <= tolerance, `${what}: ${found} apart`);
}

const LOGGED = ["loss", "grad_norm", "learning_rate", "rewards/margins", "logps/chosen", "eval_loss"];

/** Float32 on every side, so that only the order of sums and the last digits of exp and the like differ. */
export function sameFigures(figures: Computed, expected: Computed): void {
  close([figures.loss], [expected.loss], 1e-4, "loss");
  assert.deepEqual(Object.keys(figures.gradients), Object.keys(expected.gradients));
  for (const [name, gradient] of Object.entries(expected.gradients)) close(figures.gradients[name]!, gradient, 1e-4, `gradient of ${name}`);
  assert.deepEqual([figures.greedy, figures.beams], [expected.greedy, expected.beams]);
  assert.equal(figures.log.length, 4);
  figures.log.forEach((row, i) => {
    for (const name of LOGGED) if (expected.log[i]![name]) close([row[name]!], [expected.log[i]![name]!], 1e-4, `${name} in row ${i}`);
  });
  close(figures.adamw, expected.adamw, 1e-6, "AdamW");
  close(figures.sgd, expected.sgd, 1e-6, "SGD");
  assert.deepEqual(figures.leaked, { tensors: 0, handles: 0 });
}

/** The same seed draws the same, another call of one function other numbers. */
export function drawsBySeed({ drawn, sampled }: Computed): void {
  const [first, second, other, one, again, dropped] = drawn as [number[], number[], number[], number[], number[], number[]];
  assert.deepEqual(other, first);
  assert.notDeepEqual(second, first);
  assert.deepEqual(again, one);
  assert.ok([...first, ...second, ...one].every((value) => value >= 0 && value < 1));
  const kept = dropped.filter((value) => value !== 0);
  assert.ok(kept.length > 16 && kept.length < 48 && kept.every((value) => value === 2), `${kept.length} of 64 kept`);
  assert.deepEqual(sampled[1], sampled[0]);
}
