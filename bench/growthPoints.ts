import type { Shape } from "./stepOptions";

/** What grows: tokens of one sequence, sequences of 128 tokens, layers at 4 × 128 tokens. */
export const AXES = ["tokens", "batch", "layers"] as const;
export type Axis = (typeof AXES)[number];

/** One amount of work. */
export interface Point extends Shape {
  layers: number;
}

/** The packaged model's layers. */
export const ALL_LAYERS = 30;

const ALONG: Record<Axis, Point[]> = {
  tokens: [64, 128, 256, 512, 1024, 2048].map((length) => ({ batch: 1, length, layers: ALL_LAYERS })),
  batch: [1, 2, 4, 8, 16, 32].map((batch) => ({ batch, length: 128, layers: ALL_LAYERS })),
  layers: [6, 12, 18, 24, 30].map((layers) => ({ batch: 4, length: 128, layers })),
};

/** What a point is at on its axis. */
export const placeOn = (axis: Axis, { batch, length, layers }: Point): number => ({ tokens: length, batch, layers })[axis];

export const tokensOf = ({ batch, length }: Shape): number => batch * length;

export const pointName = ({ batch, length, layers }: Point): string => `${batch}x${length}, ${layers} layers`;

const same = (one: Point, other: Point): boolean => pointName(one) === pointName(other);

/** The points of an axis, in growing order. @param most tokens at once at most */
export function pointsOn(axis: Axis, most: number): Point[] {
  return ALONG[axis].filter((point) => tokensOf(point) <= most);
}

/** The points of several axes, each once: axes cross at some. */
export function pointsOf(axes: readonly Axis[], most: number): Point[] {
  return axes.flatMap((axis) => pointsOn(axis, most)).filter((point, at, all) => all.findIndex((other) => same(other, point)) === at);
}

/**
 * Steps of a point: fewer where each takes long. Before them each side computes one to be compared, which compiles and
 * fills its caches; where steps are short the next one does not count either.
 */
export function stepsOf(point: Point): { warmUp: number; timed: number } {
  const short = (tokensOf(point) * point.layers) / ALL_LAYERS <= 512;
  return short ? { warmUp: 1, timed: 5 } : { warmUp: 0, timed: 3 };
}
