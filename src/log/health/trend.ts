/** Rows at a run's beginning that later ones are held against. */
const START = 3;
/** Rows that count as the present. */
const RECENT = 5;

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function variance(values: readonly number[]): number {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}

/** How many standard errors a difference is; without any spread a difference is beyond doubt. */
const inErrors = (difference: number, error: number): number => (difference === 0 ? 0 : difference / error);

/** One measure of a run's log as it grows: how it began and where it is now. */
export class Trend {
  private readonly first: number[] = [];
  private readonly latest: number[] = [];

  add(value: number): void {
    if (!Number.isFinite(value)) return;
    if (this.first.length < START) {
      this.first.push(value);
      return;
    }
    this.latest.push(value);
    if (this.latest.length > RECENT) this.latest.shift();
  }

  /** False until there are enough rows to tell a change from noise. */
  get isReady(): boolean {
    return this.latest.length === RECENT;
  }

  get start(): number {
    return mean(this.first);
  }

  get now(): number {
    return mean(this.latest);
  }

  /** How far it has moved since the start, in standard errors of that difference (Welch 1947). */
  get moved(): number {
    return inErrors(this.now - this.start, Math.sqrt(variance(this.first) / START + variance(this.latest) / RECENT));
  }

  /** How far it is from zero now, in standard errors. */
  get fromZero(): number {
    return inErrors(this.now, Math.sqrt(variance(this.latest) / RECENT));
  }
}

/** True once a condition has held in so many rows one after the other. */
export function lasting(rows: number): (holds: boolean) => boolean {
  let held = 0;
  return (holds) => {
    held = holds ? held + 1 : 0;
    return held >= rows;
  };
}
