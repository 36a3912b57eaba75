import { readFileSync } from "node:fs";
import { Entry, FormatError } from "./parity/entry";
import { isDpoFile, readDpoFile, type DpoFile } from "./parity/dpoFile";
import { isTokenizerFile, readTokenizerFile, type TokenizerFile } from "./parity/tokenizerFile";

const usage = `npm run parity -- FILE...
Compares this library with figures made in Python on the packaged model: ids, log-probabilities, logits, hidden states,
losses, gradients and optimiser steps of a DPO file; ids, decodings and chats of a tokenizer file. The policy of a DPO
file is the reference with its tied embedding times 1.01. An optimiser's batch is the file's first pairs.
Computes in float32, as training with that precision does.

Prints one line for each kind of figure with its worst deviation and the tolerance, then what could not be checked, and
at the end a line of JSON: {"checked": n, "failed": n, "unsupported": n}.

Exit code: 0 all within tolerance, 1 a figure is off, 2 a file cannot be read or has another format, or the model is not there.`;

type Task = { path: string; dpo: DpoFile } | { path: string; tokenizer: TokenizerFile };

function readTask(path: string): Task {
  try {
    const file = new Entry(parse(readFileSync(path, "utf8")), "");
    if (isDpoFile(file)) return { path, dpo: readDpoFile(file) };
    if (isTokenizerFile(file)) return { path, tokenizer: readTokenizerFile(file) };
    throw new FormatError("the file has neither pairs nor strings, so it is no file of DPO or tokenizer figures");
  } catch (error) {
    throw new FormatError(`${path}: ${(error as Error).message}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FormatError(`no valid JSON: ${(error as Error).message}`);
  }
}

async function main(args: string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(usage);
    return 0;
  }
  if (args.length === 0) {
    console.error(usage);
    return 2;
  }
  // Every file is read before the engine starts: a wrong one costs no waiting.
  const tasks = args.map(readTask);
  const { checkFiles } = await import("./parity/checkFiles");
  const { lines, totals } = await checkFiles(tasks, (text) => console.error(text));
  console.log([...lines, JSON.stringify(totals)].join("\n"));
  return totals.failed > 0 ? 1 : 0;
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: Error) => {
    console.error(`parity: ${error.message}`);
    process.exitCode = 2;
  },
);
