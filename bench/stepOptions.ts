import { parseArgs } from "node:util";
import { misuse } from "./failure";
import { oneOf, PRECISIONS, type BenchPrecision } from "./options";

/** Sequences in a batch, and tokens in each. */
export interface Shape {
  batch: number;
  length: number;
}

export const STEP_PEERS = ["torch", "none"] as const;
export type StepPeer = (typeof STEP_PEERS)[number];

export interface StepOptions {
  shapes: Shape[];
  precisions: BenchPrecision[];
  peer: StepPeer;
  /** Timed steps of each side; undefined for as many as the number of cells allows. */
  steps: number | undefined;
  /** Measure on a busy machine too. */
  anyway: boolean;
}

const SHAPES: Shape[] = [{ batch: 4, length: 128 }, { batch: 8, length: 256 }];

/** "8x256" */
export const shapeName = ({ batch, length }: Shape): string => `${batch}x${length}`;

/** Reads the options of `bench step`. @throws BenchFailure naming the option and what it may be */
export function parseStepOptions(args: string[]): StepOptions {
  const values = parse(args);
  return {
    shapes: values.shape === undefined ? SHAPES : [parseShape(values.shape)],
    precisions: values.precision === undefined ? [...PRECISIONS] : [oneOf("--precision", values.precision, PRECISIONS)],
    peer: values.peer === undefined ? "torch" : oneOf("--peer", values.peer, STEP_PEERS),
    steps: values.steps === undefined ? undefined : stepCount(values.steps),
    anyway: values.anyway ?? false,
  };
}

function parse(args: string[]): { shape?: string; precision?: string; peer?: string; steps?: string; anyway?: boolean } {
  try {
    return parseArgs({ args, options: { shape: { type: "string" }, precision: { type: "string" }, peer: { type: "string" }, steps: { type: "string" }, anyway: { type: "boolean" } } }).values;
  } catch (error) {
    throw misuse(`${(error as Error).message} See npm run bench -- step --help.`);
  }
}

function parseShape(text: string): Shape {
  const [, batch, length] = /^(\d+)x(\d+)$/.exec(text)?.map(Number) ?? [];
  if (!(batch! >= 1 && batch! <= 256 && length! >= 2 && length! <= 8192)) throw misuse(`--shape ${text}: BATCHxLENGTH is needed, such as 4x128: 1 to 256 sequences of 2 to 8192 tokens.`);
  return { batch: batch!, length: length! };
}

function stepCount(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw misuse(`--steps ${text}: a whole number from 1 to 9999 is needed.`);
  return Number(text);
}
