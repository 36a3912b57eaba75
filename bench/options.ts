import { parseArgs } from "node:util";
import { misuse } from "./failure";

export const PRECISIONS = ["float32", "bfloat16"] as const;
export type BenchPrecision = (typeof PRECISIONS)[number];

export const PEERS = ["trl", "torch", "none"] as const;
export type PeerName = (typeof PEERS)[number];

/** Options of a bench that trains on pairs. */
export interface PairOptions {
  /** A row file, or undefined for the packaged rows. */
  rows: string | undefined;
  /** Pairs in a batch. */
  batches: number[];
  precisions: BenchPrecision[];
  peer: PeerName;
}

/**
 * Reads the options of a bench that trains on pairs.
 * @param batches those that are measured without `--batch` @param peers those that the bench has
 * @throws BenchFailure naming the option and what it may be
 */
export function parsePairOptions(bench: string, args: string[], batches: readonly number[] = [4, 8], peers: readonly PeerName[] = PEERS): PairOptions {
  const values = parse(bench, args);
  return {
    rows: values.rows,
    batches: values.batch === undefined ? [...batches] : [batchSize(values.batch)],
    precisions: values.precision === undefined ? [...PRECISIONS] : [oneOf("--precision", values.precision, PRECISIONS)],
    peer: values.peer === undefined ? "trl" : oneOf("--peer", values.peer, peers),
  };
}

function parse(bench: string, args: string[]): { rows?: string; batch?: string; precision?: string; peer?: string } {
  try {
    return parseArgs({ args, options: { rows: { type: "string" }, batch: { type: "string" }, precision: { type: "string" }, peer: { type: "string" } } }).values;
  } catch (error) {
    throw misuse(`${(error as Error).message} See npm run bench -- ${bench} --help.`);
  }
}

function batchSize(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > 256) throw misuse(`--batch ${text}: a whole number from 1 to 256 is needed.`);
  return Number(text);
}

/** Reads a bench's options by Node's own parser. @throws BenchFailure with its message and the command that lists the options */
export function parseOptionsOf<T extends Record<string, { type: "string" | "boolean" }>>(bench: string, args: string[], options: T): { [K in keyof T]?: T[K]["type"] extends "string" ? string : boolean } {
  try {
    return parseArgs({ args, options }).values as ReturnType<typeof parseOptionsOf<T>>;
  } catch (error) {
    throw misuse(`${(error as Error).message} See npm run bench -- ${bench} --help.`);
  }
}

/** A whole number within bounds, or the fallback where the option is not given. @throws BenchFailure naming option and bounds */
export function wholeNumber(option: string, text: string | undefined, fallback: number, [least, most]: readonly [number, number]): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,9}$/.test(text) || Number(text) < least || Number(text) > most) throw misuse(`${option} ${text}: a whole number from ${least} to ${most} is needed.`);
  return Number(text);
}

/** A value of a fixed list. @throws BenchFailure naming the list */
export function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  if (!(allowed as readonly string[]).includes(value)) throw misuse(`${option} ${value}: ${allowed.slice(0, -1).join(", ")} or ${allowed.at(-1)} is needed.`);
  return value as T;
}
