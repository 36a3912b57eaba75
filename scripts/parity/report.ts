/** How far a figure may be off: so much in itself, or so much of the expected value, whichever allows more. */
export interface Tolerance {
  absolute?: number;
  relative?: number;
}

/** A figure that is off, or `unsupported`: one that could not be checked. */
interface Finding {
  place: string;
  text: string;
}

interface Kind {
  name: string;
  count: number;
  worst: { share: number; text: string };
  failures: Finding[];
}

const MAX_LISTED = 5;

const figure = (x: number): string => (Number.isInteger(x) ? String(x) : x.toPrecision(7));
const short = (x: number): string => (x === 0 ? "0" : x.toPrecision(2));

function describe({ absolute, relative }: Tolerance): string {
  const parts = [absolute === undefined ? "" : `${absolute}`, relative === undefined ? "" : `${relative} of the value`];
  return parts.filter(Boolean).join(" or ");
}

/** Collects comparisons of one file, kind by kind. */
export class Report {
  private readonly kinds = new Map<string, Kind>();
  private readonly skipped: Finding[] = [];

  private kind(name: string): Kind {
    let kind = this.kinds.get(name);
    if (!kind) {
      kind = { name, count: 0, worst: { share: -1, text: "" }, failures: [] };
      this.kinds.set(name, kind);
    }
    return kind;
  }

  /** Compares a number. NaN and infinities fail unless they are what is expected. */
  close(name: string, place: string, actual: number, expected: number, tolerance: Tolerance): void {
    const kind = this.kind(name);
    const deviation = Object.is(actual, expected) ? 0 : Math.abs(actual - expected);
    const allowed = Math.max(tolerance.absolute ?? 0, (tolerance.relative ?? 0) * Math.abs(expected));
    const share = deviation === 0 ? 0 : Number.isFinite(deviation) ? deviation / allowed : Infinity;
    const relative = tolerance.relative !== undefined && tolerance.relative * Math.abs(expected) >= (tolerance.absolute ?? 0);
    const size = relative && expected !== 0 ? `${short(deviation / Math.abs(expected))} of the value` : short(deviation);
    kind.count++;
    if (share > kind.worst.share) kind.worst = { share, text: `worst off by ${size} at ${place}; tolerance ${describe(tolerance)}` };
    if (!(share <= 1)) kind.failures.push({ place, text: `computed ${figure(actual)}, the file has ${figure(expected)}: off by ${size}` });
  }

  /** Compares texts or lists of ids, which must be equal. */
  same(name: string, place: string, actual: string | readonly number[], expected: string | readonly number[]): void {
    const kind = this.kind(name);
    kind.count++;
    const found = JSON.stringify(actual);
    const wanted = JSON.stringify(expected);
    const share = found === wanted ? 0 : Infinity;
    if (share > kind.worst.share) kind.worst = { share, text: share === 0 ? "all equal" : `different at ${place}` };
    if (share > 0) kind.failures.push({ place, text: firstDifference(found, wanted) });
  }

  /** Notes a figure that cannot be checked, so that it is not passed over in silence. */
  unsupported(place: string, reason: string): void {
    this.skipped.push({ place, text: reason });
  }

  get totals(): { checked: number; failed: number; unsupported: number } {
    const kinds = [...this.kinds.values()];
    const sum = (of: (kind: Kind) => number): number => kinds.reduce((total, kind) => total + of(kind), 0);
    return { checked: sum((kind) => kind.count), failed: sum((kind) => kind.failures.length), unsupported: this.skipped.length };
  }

  /** One line for each kind; failures and what is unsupported follow with their places. */
  lines(): string[] {
    const listed = (findings: Finding[]): string[] => {
      const lines = findings.slice(0, MAX_LISTED).map(({ place, text }) => `        ${place}: ${text}`);
      return findings.length > MAX_LISTED ? [...lines, `        and ${findings.length - MAX_LISTED} more`] : lines;
    };
    const kinds = [...this.kinds.values()].flatMap(({ name, count, worst, failures }) => {
      const verdict = failures.length === 0 ? "  ok  " : "  FAIL";
      const counted = failures.length === 0 ? `${count} checked` : `${failures.length} of ${count} failed`;
      return [`${verdict}  ${name}: ${counted}, ${worst.text}`, ...listed(failures)];
    });
    if (this.skipped.length === 0) return kinds;
    return [...kinds, `  --    unsupported: ${this.skipped.length} not checked`, ...this.skipped.map(({ place, text }) => `        ${place}: ${text}`)];
  }
}

function firstDifference(found: string, wanted: string): string {
  let at = 0;
  while (at < Math.min(found.length, wanted.length) && found[at] === wanted[at]) at++;
  const around = (text: string): string => `${at > 12 ? "…" : ""}${text.slice(Math.max(0, at - 12), at + 24)}${text.length > at + 24 ? "…" : ""}`;
  return `computed ${around(found)}, the file has ${around(wanted)}`;
}
