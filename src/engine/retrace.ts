/** dtype and shape of one argument. */
export interface ArgumentType {
  dtype: string;
  shape: readonly number[];
}

export const typeText = ({ dtype, shape }: ArgumentType): string => `${dtype}[${shape}]`;

/** Signatures up to which a function is not asked about. */
export const EXPECTED_TRACES = 4;

const MOST_LISTED = 6;
const distinct = <T>(values: readonly T[]): T[] => [...new Set(values)];
const listed = (values: readonly (string | number)[]): string => [...values.slice(0, MOST_LISTED), ...(values.length > MOST_LISTED ? ["…"] : [])].join(", ");

/** What a single argument did, and what to do about it; null for one that stayed the same. */
function explainArgument(index: number, seen: readonly ArgumentType[]): string | null {
  const types = distinct(seen.map(typeText));
  if (types.length === 1) return null;
  const advice: string[] = [];
  if (distinct(seen.map(({ dtype }) => dtype)).length > 1) advice.push("its dtype varies: cast it before the call");
  if (distinct(seen.map(({ shape }) => shape.length)).length > 1) {
    advice.push("its rank varies: reshape it to one rank before the call");
  } else {
    const sizes = seen[0]!.shape.map((_, axis) => distinct(seen.map(({ shape }) => shape[axis]!)));
    sizes.forEach((found, axis) => {
      if (found.length > 1) advice.push(`axis ${axis} takes the sizes ${listed(found)}: pad it to one of few (roundUp(size, 64), say) and mask what was added`);
    });
  }
  return `Argument ${index + 1} changes (${listed(types)}); ${advice.join("; ")}.`;
}

/**
 * Says why a function was traced so often: which arguments changed, in what, and what to do.
 * @param signatures the arguments' types of every trace, in order
 */
export function explainRetracing(name: string, signatures: readonly (readonly ArgumentType[])[]): string {
  const counts = distinct(signatures.map((signature) => signature.length));
  const most = Math.max(...counts);
  const changes = Array.from({ length: most }, (_, i) => explainArgument(i, signatures.flatMap((signature) => signature[i] ?? [])));
  if (counts.length > 1) changes.unshift(`The number of arguments changes (${listed(counts)}); stack them into one tensor of a fixed size.`);
  return [
    `jit: ${name} has been traced for ${signatures.length} signatures, and each is compiled anew.`,
    ...changes.filter((change) => change !== null),
    "A value that decides no shape goes in as a tensor (tf.scalar). If so many signatures are meant, say so: jit(fn, { expectedTraces: … }).",
  ].join(" ");
}

/** Says that a function is called with more signatures in turn than stay compiled, and what to do. */
export function explainThrashing(name: string, { retraced, size }: { retraced: number; size: number }): string {
  return [
    `jit: ${name} has been traced anew ${retraced} times for signatures that had been freed, since no more than ${size} stay compiled at once.`,
    "Round the arguments' sizes to fewer, or let more stay: jit(fn, { maxTraces: …, maxBytes: … }).",
  ].join(" ");
}
