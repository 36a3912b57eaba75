import type { Choice } from "./chooser";
import type { FinishReason } from "./generate";
import type { Settings } from "./settings";

/** Which rows' answers must not end with the token at `position` yet: 1, else 0. @param prompts the prompt of each row */
export function tooShortAt(settings: Settings, prompts: readonly number[], position: number): Float32Array {
  return Float32Array.from(prompts, (prompt) => Number(position < settings.minNewTokens[prompt]!));
}

/** How tokens are chosen while these rows are too short. */
export function choiceFor({ sampling, processing, eosTokenIds, returnLogps }: Settings, tooShort: Float32Array): Choice {
  return { sampling, processing, eosTokenIds: tooShort.includes(1) ? [...eosTokenIds] : [], withLogps: returnLogps };
}

/** Why a token ends the answer to `prompts[prompt]`; null where it goes on. @param tokens the answer before it */
export function endOf({ eosTokenIds, stopStrings, maxNewTokens }: Settings, prompts: readonly (readonly number[])[], prompt: number, tokens: readonly number[], next: number): FinishReason | null {
  if (eosTokenIds.has(next)) return "eos";
  if (stopStrings?.completes(prompts[prompt]!, tokens, next)) return "stop";
  return tokens.length + 1 >= maxNewTokens[prompt]! ? "length" : null;
}
