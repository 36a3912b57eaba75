/** What `bench all` runs of a bench: as little as can be measured and kept alone. */
export interface Part {
  args: readonly string[];
  /** How long it takes on an idle machine with two cores. */
  minutes: number;
}

export interface PlannedPart extends Part {
  bench: string;
  /** The command behind `npm run bench --`. */
  name: string;
}

/** How long a bench is thought to take that does not say. */
const MINUTES = 10;

interface WithParts {
  usage: string;
  parts?(out: string): readonly Part[];
}

/**
 * Every part of some benches, in their order.
 * @param out where charts go @param anyway measure on a busy machine too: those that cannot are asked as ever
 */
export function planParts(benches: Readonly<Record<string, WithParts>>, out: string, anyway: boolean): PlannedPart[] {
  return Object.entries(benches).flatMap(([bench, { usage, parts }]) => (parts?.(out) ?? [{ args: [], minutes: MINUTES }]).map(({ args, minutes }) => {
    const all = anyway && usage.includes("--anyway") ? [...args, "--anyway"] : args;
    return { bench, args: all, minutes, name: [bench, ...all].join(" ") };
  }));
}

/** A file name for a part's result. */
export const partFile = ({ name }: PlannedPart): string => `${name.replace(/[^\w.]+/g, "-")}.json`;

/**
 * Minutes that the rest will take: as long as it is thought to, by how the parts measured so far compared with what they were thought to take.
 * @param measured parts that were measured in this run, with their seconds
 */
export function minutesLeft(rest: readonly Part[], measured: readonly { minutes: number; seconds: number }[]): number {
  const thought = measured.reduce((sum, { minutes }) => sum + minutes, 0);
  const taken = measured.reduce((sum, { seconds }) => sum + seconds / 60, 0);
  return rest.reduce((sum, { minutes }) => sum + minutes, 0) * (thought > 0 ? taken / thought : 1);
}

/** "under a minute", "12 min", "1 h 20 min" */
export function describeMinutes(minutes: number): string {
  const whole = Math.round(minutes);
  if (whole < 1) return "under a minute";
  return whole < 60 ? `${whole} min` : `${Math.floor(whole / 60)} h ${whole % 60} min`;
}
