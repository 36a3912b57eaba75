/**
 * Distributes items over as few bins as best-fit decreasing finds: the longest first, each into the fullest bin that
 * still holds it.
 * @param sizes none above `capacity` @returns the items of each bin, by number
 */
export function bestFitDecreasing(sizes: readonly number[], capacity: number): number[][] {
  const tooLarge = sizes.findIndex((size) => size > capacity);
  if (tooLarge >= 0) throw new RangeError(`bestFitDecreasing: item ${tooLarge} has size ${sizes[tooLarge]}, a bin holds ${capacity}.`);
  const bins: number[][] = [];
  /** Bins by the room left in them. */
  const byRoom = Array.from({ length: capacity + 1 }, (): number[] => []);
  const order = sizes.map((_, item) => item).sort((a, b) => sizes[b]! - sizes[a]! || a - b);
  for (const item of order) {
    const size = sizes[item]!;
    let room = size;
    while (room <= capacity && byRoom[room]!.length === 0) room++;
    const bin = room <= capacity ? byRoom[room]!.pop()! : bins.push([]) - 1;
    bins[bin]!.push(item);
    byRoom[(room <= capacity ? room : capacity) - size]!.push(bin);
  }
  return bins;
}
