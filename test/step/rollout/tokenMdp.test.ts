import { test } from "node:test";
import { tokenizer } from "./rolloutCase";
import { solves, type Algorithm, type Problem } from "./solved";

const [b, d] = tokenizer.encode("bd") as [number, number];

/** Says "b", then "d": half for the first, half for the second behind it. Its worth is learnt only where the first comes right, and an early end loses it. */
const spelling: Problem = { prompts: ["f"], length: 2, optimum: 1, reward: (_, [first, second]) => (first === b ? (second === d ? 1 : 0.5) : 0) };

for (const algorithm of ["reinforce", "rloo", "grpo", "ppo"] as const satisfies readonly Algorithm[]) {
  test(`${algorithm} learns the one best answer of two tokens from five seeds`, () => solves(algorithm, spelling, { start: 0.2, iterations: 45 }));
}
