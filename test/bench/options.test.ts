import assert from "node:assert/strict";
import { test } from "node:test";
import { BenchFailure } from "../../bench/failure";
import { main } from "../../bench/main";
import { parsePairOptions } from "../../bench/options";

test("without options both batch sizes and both precisions are measured beside TRL", () => {
  assert.deepEqual(parsePairOptions("dpo", []), { rows: undefined, batches: [4, 8], precisions: ["float32", "bfloat16"], peer: "trl" });
});

test("options narrow the run", () => {
  assert.deepEqual(parsePairOptions("dpo", ["--rows", "r.json", "--batch", "8", "--precision", "bfloat16", "--peer=none"]), {
    rows: "r.json", batches: [8], precisions: ["bfloat16"], peer: "none",
  });
});

for (const [args, message] of [
  [["--batch", "0"], /--batch 0: a whole number from 1 to 256/],
  [["--batch", "4.5"], /--batch 4\.5/],
  [["--batch", "eight"], /--batch eight/],
  [["--precision", "fp16"], /--precision fp16: float32 or bfloat16 is needed/],
  [["--peer", "jax"], /--peer jax: trl, torch or none is needed/],
  [["--steps", "3"], /--steps.*--help/s],
  [["extra"], /extra.*--help/s],
  [["--rows"], /--rows.*--help/s],
] as const) {
  test(`refused with exit code 2: ${args.join(" ")}`, () => {
    assert.throws(() => parsePairOptions("dpo", [...args]), (error: unknown) => error instanceof BenchFailure && error.exitCode === 2 && message.test(error.message));
  });
}

/** Runs the command and returns its exit code and what it printed. */
async function said(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const kept = { log: console.log, error: console.error };
  let out = "";
  let err = "";
  console.log = (line: string) => void (out += `${line}\n`);
  console.error = (line: string) => void (err += `${line}\n`);
  try {
    const code = await main(args);
    return { code, out, err };
  } finally {
    Object.assign(console, kept);
  }
}

test("an unknown bench is named, with those that exist", async () => {
  const { code, out, err } = await said("toString");
  assert.equal(code, 2);
  assert.equal(out, "");
  assert.match(err, /"toString" is no bench.*dpo/);
});

test("--help lists the benches, and a bench's --help its options", async () => {
  const all = await said("--help");
  assert.equal(all.code, 0);
  assert.match(all.out, /^ {2}dpo /m);
  const one = await said("dpo", "--help");
  assert.equal(one.code, 0);
  for (const option of ["--rows", "--batch", "--precision", "--peer"]) assert.ok(one.out.includes(option), option);
});

test("a bad row file ends the command with exit code 2 and its name", async () => {
  const { code, out, err } = await said("dpo", "--rows", "no-such-file.json");
  assert.equal(code, 2);
  assert.equal(out, "");
  assert.match(err, /--rows no-such-file\.json: there is no such file/);
});
