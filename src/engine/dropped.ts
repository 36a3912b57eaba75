import { binding } from "./backend";

/** What must be freed, and how. */
interface Held {
  free(): void;
}

const waiting: Held[] = [];

const registry = new FinalizationRegistry<Held>((held) => {
  waiting.push(held);
  // While calls may still compute, to free would wait for them: the next trace does, which takes its time anyway.
  if (!binding.recorder && !binding.context.isBusy) freeDropped();
});

/** Frees what is known to be out of reach. */
export function freeDropped(): void {
  for (const one of waiting.splice(0)) one.free();
}

/**
 * Has `held.free()` run some time after the program can no longer reach `owner`. A safety net: who is done with
 * something disposes it. @param held must not lead to `owner`
 */
export function whenDropped(owner: object, held: Held): void {
  registry.register(owner, held);
}
