import { appendFileSync, existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { keepsWork, workFolder } from "./folders";

/** Something that a student did, as one line of the store. */
export interface ProgressEvent {
  /** ISO date and time. */
  at: string;
  /** When the notebook's kernel started, and its process: events of one session share it. */
  session: string;
  kind: "check" | "hint" | "question";
  /** The exercise's or question's name. */
  id: string;
  /** Of a check: how it came out, and the names of the recognised mistakes. */
  state?: "passed" | "failed" | "todo";
  mistakes?: string[];
}

const started = new Date(performance.timeOrigin).toISOString();

/** The file of the store: one JSON record a line, only ever added to, so that two notebooks at once lose nothing. */
const storeFile = (): string => join(workFolder(), "progress.jsonl");

let hasWarned = false;

/** Adds what happened to the store. A store that cannot be written is said once, and stops no exercise. */
export function record(event: Pick<ProgressEvent, "kind" | "id" | "state" | "mistakes">): void {
  if (!keepsWork()) return;
  const line: ProgressEvent = { at: new Date().toISOString(), session: `${started} ${process.pid}`, ...event };
  try {
    appendFileSync(storeFile(), `${JSON.stringify(line)}\n`);
  } catch (error) {
    if (!hasWarned) console.warn(`Your progress is not kept: ${error instanceof Error ? error.message : String(error)}. Checks and questions work all the same.`);
    hasWarned = true;
  }
}

/** Everything recorded, oldest first. A line that is no record, such as one cut off by a full disk, is left out. */
export function readEvents(): ProgressEvent[] {
  const file = storeFile();
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8").split("\n").flatMap((line) => {
    try {
      const event = JSON.parse(line) as Partial<ProgressEvent> | null;
      return typeof event?.at === "string" && typeof event.id === "string" && typeof event.kind === "string" ? [{ session: "", ...event } as ProgressEvent] : [];
    } catch {
      return [];
    }
  });
}

/**
 * Puts the store aside under today's date and time: the count begins anew, and a reset by mistake can be undone.
 * @returns the name of the file kept, or null where there was nothing
 */
export function resetEvents(): string | null {
  const file = storeFile();
  if (!existsSync(file)) return null;
  const name = `progress-${new Date().toISOString().replace(/[:.]/g, "-").slice(0, 23)}.jsonl`;
  renameSync(file, join(workFolder(), name));
  return name;
}
