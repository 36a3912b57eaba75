import { applyChatTemplate, tokenizeRow, type TokenizedRow } from "../../src/tokens/preference";
import { SIDES, type DpoFile, type HiddenFigures, type LogitFigures, type ModelFigures, type Which } from "./dpoFile";
import type { Report } from "./report";
import type { SequenceLogps, Subject } from "./subject";

// Measured on the golden file, ours are up to 5e-5 (log-probs of tokens, logits) and 1e-7 of the vector's length (hidden
// states) off PyTorch's float64, as PyTorch's own float32 figures are. The tolerances leave other texts ten times that,
// and hidden states of greater norm a hundred times.
const TOKEN_LOGP = { absolute: 5e-4 };
const LOGIT = { absolute: 5e-4 };
const HIDDEN_SHARE = 1e-5;

/** Ids of every pair, computed from its texts and compared with the file's. */
export function checkIds(file: DpoFile, { tokenizer }: Subject, report: Report): TokenizedRow[] {
  const rows = file.pairs.map((pair) => tokenizeRow(applyChatTemplate(pair, tokenizer), tokenizer, null));
  rows.forEach((row, i) => {
    const { promptIds, chosenIds, rejectedIds } = file.pairs[i]!;
    report.same("ids of pairs", `pairs[${i}].prompt_ids`, row.prompt_input_ids, promptIds);
    report.same("ids of pairs", `pairs[${i}].chosen_ids`, row.chosen_input_ids, chosenIds);
    report.same("ids of pairs", `pairs[${i}].rejected_ids`, row.rejected_input_ids, rejectedIds);
    for (const side of SIDES) {
      const expected = file.completionLengths?.[side][i];
      if (expected !== undefined) report.close("lengths of answers", `completion_lengths.${side}[${i}]`, row[`${side}_input_ids`].length, expected, { absolute: 0 });
    }
  });
  return rows;
}

/** Everything the file says of the reference and of the policy. @returns our log-probabilities of both */
export async function checkModels(file: DpoFile, subject: Subject, rows: TokenizedRow[], report: Report): Promise<Record<Which, SequenceLogps>> {
  const ours = {} as Record<Which, SequenceLogps>;
  for (const which of ["ref", "policy"] as const) {
    await subject.become(which);
    ours[which] = await subject.logps(rows);
    for (const figures of file.models.filter((model) => model.which === which)) {
      checkLogps(figures, ours[which], file.tolerances.sequenceLogp, report);
      for (const logits of figures.logits) await checkLogits(logits, rows[logits.pair]!, subject, report);
      for (const hidden of figures.hidden) await checkHidden(hidden, rows[hidden.pair]!, subject, report);
    }
  }
  return ours;
}

function checkLogps({ place, logps, tokenLogps }: ModelFigures, ours: SequenceLogps, tolerance: number, report: Report): void {
  for (const side of SIDES) {
    logps?.[side].forEach((expected, i) => {
      const at = `${place}.logps.${side}[${i}]`;
      report.close("sequence log-probs, from logits", at, ours.plain[side][i]!, expected, { absolute: tolerance });
      report.close("sequence log-probs, packed", at, ours.packed[side][i]!, expected, { absolute: tolerance });
    });
    tokenLogps?.[side].forEach((row, i) => {
      row.forEach((expected, t) => report.close("token log-probs", `${place}.token_logps.${side}[${i}][${t}]`, ours.tokens[side][i]![t] ?? NaN, expected, TOKEN_LOGP));
    });
  }
}

async function checkLogits(figures: LogitFigures, row: TokenizedRow, subject: Subject, report: Report): Promise<void> {
  const { place, positions, vocabIds, values, logsumexp, argmax, topIds } = figures;
  const logits = await subject.logits([...row.prompt_input_ids, ...row[`${figures.side}_input_ids`]], positions);
  logits.forEach((ours, i) => {
    vocabIds.forEach((id, j) => report.close("logits", `${place}.values[${i}][${j}]`, ours[id] ?? NaN, values[i]![j]!, LOGIT));
    report.close("log-sum-exp of logits", `${place}.logsumexp[${i}]`, logSumExp(ours), logsumexp[i]!, LOGIT);
    // A rank is right when the id named there has the logit of that rank: two ids may tie within the tolerance.
    const ranked = Float32Array.from(ours).sort().reverse();
    const checkRank = (at: string, id: number, rank: number): void => report.close("ids of the greatest logits", at, ours[id] ?? NaN, ranked[rank]!, LOGIT);
    checkRank(`${place}.argmax[${i}]`, argmax[i]!, 0);
    topIds[i]!.forEach((id, rank) => checkRank(`${place}.top5_ids[${i}][${rank}]`, id, rank));
  });
}

function logSumExp(values: Float32Array): number {
  const greatest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return greatest + Math.log(values.reduce((sum, x) => sum + Math.exp(x - greatest), 0));
}

async function checkHidden({ place, layers }: HiddenFigures, row: TokenizedRow, subject: Subject, report: Report): Promise<void> {
  const states = await subject.hiddenStates(row.prompt_input_ids, layers.map(({ layer }) => layer));
  for (const { layer, first, norm } of layers) {
    const state = states.get(layer);
    const at = `${place}.${layer}`;
    if (!state) {
      report.unsupported(at, "the model has no such layer");
      continue;
    }
    first.forEach((expected, i) => report.close("hidden states", `${at}.last_first8[${i}]`, state[i] ?? NaN, expected, { absolute: HIDDEN_SHARE * norm }));
    report.close("norms of hidden states", `${at}.norm_last`, Math.hypot(...state), norm, { relative: HIDDEN_SHARE });
  }
}
