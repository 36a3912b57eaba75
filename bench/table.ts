import type { Measured } from "./figures";
import { median, quantile } from "./figures";

/** One side of a line of the table. */
export interface TableSide {
  side: string;
  setting: string;
  /** Null where time was not measured. */
  median_seconds: number | null;
  /** Half the distance between the quartiles as a part of the median: of the seconds, or of the memory where no time was measured. */
  spread: number;
  /** Highest resident memory of the process. */
  peak_bytes: number;
}

/** A line of the table that `bench all` writes: ours beside a peer, on the same work in the same run. */
export interface TableRow {
  /** What was done, without the bench's name. */
  work: string;
  ours: TableSide;
  /** Null when ours was measured alone. */
  peer: TableSide | null;
  /** The peer's median seconds by ours: how many times as fast ours is. */
  ratio: number | null;
  /** Our peak memory by the peer's. */
  memory_ratio: number | null;
}

const rounded = (value: number): number => Number(value.toPrecision(5));

/** Half the distance between the quartiles, as a part of the median. */
export const spreadOf = (values: readonly number[]): number => (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median(values);

/** A side's line from what was measured of it. */
export function tableSide({ side, setting, steps, peakBytes }: Measured): TableSide {
  const seconds = steps.map((step) => step.seconds);
  return { side, setting, median_seconds: rounded(median(seconds)), spread: rounded(spreadOf(seconds)), peak_bytes: peakBytes };
}

export function tableRow(work: string, ours: TableSide, peer: TableSide | null): TableRow {
  const timed = peer?.median_seconds != null && ours.median_seconds !== null;
  return {
    work, ours, peer,
    ratio: timed ? rounded(peer.median_seconds! / ours.median_seconds!) : null,
    memory_ratio: peer && rounded(ours.peak_bytes / peer.peak_bytes),
  };
}
