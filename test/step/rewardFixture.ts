import { readFileSync } from "node:fs";
import path from "node:path";
import type { HfConfig } from "../../src/hub/config";
import { LlamaForSequenceClassification } from "../../src/model/classification";
import { withLabels } from "../../src/model/classifierHead";
import type { ScoredRow } from "../../src/tokens/rewardRows";

/** Figures of TRL, transformers and PyTorch; `make_reward.py` writes them. */
export interface RewardFixture {
  config: Record<string, unknown>;
  scale: number;
  batch: number;
  learningRate: number;
  rows: TokenRow[];
  heldOut: TokenRow[];
  ending: TokenRow[];
  trainings: Record<string, { padTokenId: number; args: Record<string, unknown> & { headOnly: boolean; steps: number }; log: Record<string, number[]>; evaluated?: Record<string, number> }>;
  gradients: { coefficient: number; loss: number; chosen: number[]; rejected: number[]; parameters: Record<string, { norm: number; every: number; values: number[] }> };
  logits: { padTokenId: number | null; side: string; ids: number[][]; mask: number[][]; logits: number[][] }[];
  tokenized: Tokenized[];
  tokenizedBySmolLM2: Tokenized[];
}

type TokenRow = ScoredRow & { margin: number };

interface Tokenized {
  rows: object[];
  maxLength: number;
  ids: Pick<ScoredRow, "chosen_ids" | "rejected_ids">[];
}

export const fixture = JSON.parse(readFileSync(path.join(__dirname, "../fixtures/reward.json"), "utf8")) as RewardFixture;

/** The fixture's model: each parameter's weights are x ← 1664525·x + 1013904223 mod 2³² as numbers in [−1, 1), from a sum over its name on. */
export function fixtureModel(padTokenId: number | null, numLabels = 1): Promise<LlamaForSequenceClassification> {
  const config = withLabels({ model_type: "llama", ...fixture.config, pad_token_id: padTokenId } as HfConfig, { numLabels });
  return LlamaForSequenceClassification.create(config, (name, shape) => {
    let state = [...name].reduce((seed, character) => (Math.imul(seed, 31) + character.charCodeAt(0)) >>> 0, 0);
    const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1;
    const size = shape.reduce((product, n) => product * n, 1);
    return Float32Array.from({ length: size }, () => next() * fixture.scale + (name.includes("norm") ? 1 : 0));
  });
}
