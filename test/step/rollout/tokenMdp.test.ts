import { test } from "node:test";
import { tokenizer } from "./rolloutCase";
import { solves, type Algorithm, type Problem } from "./solved";

const [b, d] = tokenizer.encode("bd") as [number, number];
const END = 3;

/** Says "b", then "d", then the end: a third for each that comes in its place. What an early end cuts off is lost. */
const spelling: Problem = {
  prompts: ["q"], length: 3, optimum: 1,
  reward: (_, ids) => [b, d, END].filter((id, t) => ids[t] === id).length / 3,
};

for (const algorithm of ["reinforce", "rloo", "grpo", "ppo"] as const satisfies readonly Algorithm[]) {
  test(`${algorithm} learns the one best answer of three tokens from five seeds`, () => solves(algorithm, spelling, { start: 0.2, iterations: 90 }));
}
