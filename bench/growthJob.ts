import type { BenchPrecision } from "./options";
import type { Point } from "./growthPoints";

/** What the planner of `bench growth` is asked, as a JSON file. */
export interface PlanJob {
  points: Point[];
  settings: BenchPrecision[];
}

/** What it says on file 3. */
export interface PlanAnswer {
  /** Predicted peak in bytes, for each point in each setting. */
  peaks: number[][];
  /** Bytes that one process may hold; null where that is not known. */
  available: number | null;
}
