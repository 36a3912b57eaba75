/**
 * What one probe found.
 * @typedef {{ state: 'ok' | 'advice' | 'amiss', found: string, advice?: string, values?: Record<string, unknown> }} Finding
 *   `advice`: it works, but something can be better. `amiss`: something needed is not there. `values` are for --json
 */

/** @returns {Finding} */
export const ok = (found, values) => ({ state: 'ok', found, values });

/** @returns {Finding} */
export const advise = (found, advice, values) => ({ state: 'advice', found, advice, values });

/** @returns {Finding} */
export const amiss = (found, advice, values) => ({ state: 'amiss', found, advice, values });

/** A finding in whose way several things may stand: amiss where one of them is needed, with the first advice. */
export function judged(found, objections, values) {
  const worst = objections.find(({ needed }) => needed) ?? objections[0];
  if (!worst) return ok(found, values);
  return (worst.needed ? amiss : advise)(found, worst.advice, values);
}

const GB = 1e9;

/** "3.1 GB" */
export const gigabytes = (bytes) => `${(bytes / GB).toFixed(1)} GB`;
