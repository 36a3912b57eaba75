import { implicitRewards, type ImplicitRewards } from "../../src/exercises/checks/tour";
import { namesAll, passes, recognises, refuses } from "./judging";

const solution: ImplicitRewards = (logps, refLogps, beta) => logps.map((logp, answer) => beta * (logp - refLogps[answer]!));

passes(implicitRewards, "map", solution);
passes(implicitRewards, "a loop", (logps, refLogps, beta) => {
  const rewards: number[] = [];
  for (let answer = 0; answer < logps.length; answer++) rewards.push(beta * logps[answer]! - beta * refLogps[answer]!);
  return rewards;
});
passes(implicitRewards, "the logarithm of a ratio", (logps, refLogps, beta) => logps.map((logp, answer) => beta * Math.log(Math.exp(logp) / Math.exp(refLogps[answer]!))));

const wrong: Record<string, ImplicitRewards> = {
  sign: (logps, refLogps, beta) => solution(refLogps, logps, beta),
  "no beta": (logps, refLogps) => solution(logps, refLogps, 1),
  ratio: (logps, refLogps, beta) => logps.map((logp, answer) => (logp / refLogps[answer]!) * beta),
  brackets: (logps, refLogps, beta) => logps.map((logp, answer) => beta * logp - refLogps[answer]!),
  "reference forgotten": (logps, _, beta) => logps.map((logp) => logp * beta),
};
for (const [name, answer] of Object.entries(wrong)) recognises(implicitRewards, name, answer);
namesAll(implicitRewards, Object.keys(wrong));
refuses(implicitRewards, "probabilities subtracted", (logps, refLogps, beta) => logps.map((logp, answer) => beta * (Math.exp(logp) - Math.exp(refLogps[answer]!))), /^\[0\]: another number$/);
refuses(implicitRewards, "knows the trials by heart", (logps) => (logps.length === 1 ? [-1] : [0.4, 0.1]), /^\[1\]: another number$/);
refuses(implicitRewards, "only the first answer", (logps, refLogps, beta) => solution(logps.slice(0, 1), refLogps, beta), /it has 1 entry, where 2 are wanted/);
