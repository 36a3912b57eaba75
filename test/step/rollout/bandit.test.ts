import { test } from "node:test";
import { tokenizer } from "./rolloutCase";
import { solves, type Algorithm, type Problem } from "./solved";

const [first] = tokenizer.encode("a") as [number];

/** Two bandits, told apart by the prompt, of 12 arms each: the best letter pays 1, its neighbours half, all other letters a tenth, all else nothing. */
const bandits: Problem = {
  prompts: ["a", "bc"], length: 1, optimum: 1,
  reward(prompt, [id]) {
    const distance = Math.abs(id! - first - (prompt === "a" ? 1 : 5));
    if (id! < first) return 0;
    return distance === 0 ? 1 : distance === 1 ? 0.5 : 0.1;
  },
};

for (const algorithm of ["reinforce", "rloo", "grpo", "ppo"] as const satisfies readonly Algorithm[]) {
  test(`${algorithm} finds the best arm of both bandits from five seeds`, () => solves(algorithm, bandits, { start: 0.35, iterations: 40 }));
}
