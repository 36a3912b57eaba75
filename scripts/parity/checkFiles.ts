import { PACKAGED_MODEL } from "../../src/hub/cache";
import { openModel } from "../../src/hub/source";
import { Tokenizer } from "../../src/tokens/tokenizer";
import { checkLosses } from "./checkLosses";
import { checkIds, checkModels } from "./checkModel";
import { checkTokenizer } from "./checkTokenizer";
import { checkGradients, checkOptimizer } from "./checkTraining";
import type { DpoFile } from "./dpoFile";
import { Report } from "./report";
import { Subject } from "./subject";
import type { TokenizerFile } from "./tokenizerFile";

type Task = { path: string } & ({ dpo: DpoFile } | { tokenizer: TokenizerFile });

/** Checks files one after the other. @param tell is told what is being done, for it takes a while */
export async function checkFiles(tasks: readonly Task[], tell: (text: string) => void): Promise<{ lines: string[]; totals: Report["totals"] }> {
  const files = await openModel(PACKAGED_MODEL);
  const tokenizer = new Tokenizer(files.tokenizer);
  // Files of a tokenizer's figures need no weights.
  const subject = tasks.some((task) => "dpo" in task) ? await Subject.open(files, tokenizer) : null;
  const lines: string[] = [];
  const totals = { checked: 0, failed: 0, unsupported: 0 };
  for (const task of tasks) {
    const report = new Report();
    if ("tokenizer" in task) checkTokenizer(task.tokenizer, tokenizer, report);
    else await checkDpo(task.dpo, subject!, report, tell);
    lines.push(task.path, ...report.lines());
    for (const key of ["checked", "failed", "unsupported"] as const) totals[key] += report.totals[key];
  }
  subject?.dispose();
  return { lines, totals };
}

async function checkDpo(file: DpoFile, subject: Subject, report: Report, tell: (text: string) => void): Promise<void> {
  const rows = checkIds(file, subject, report);
  tell(`log-probabilities of ${rows.length} pairs …`);
  const ours = await checkModels(file, subject, rows, report);
  checkLosses(file, ours, report);
  for (const figures of file.gradients) {
    tell(`${figures.place} …`);
    await checkGradients(figures, file, subject, rows, ours.ref, report);
  }
  for (const figures of file.optimizers) {
    tell(`${figures.place} …`);
    await checkOptimizer(figures, file, subject, rows, ours.ref, report);
  }
  for (const place of file.unknown) report.unsupported(place, "not a part of the format that this program knows");
}
