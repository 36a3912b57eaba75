/** Thrown where an exercise's code is still to be written. */
export class TodoError extends Error {
  override readonly name = "TodoError";
}

/**
 * Stands where your code goes: replace the whole line.
 * @param task what the code has to do
 * @throws TodoError always
 */
export function todo(task?: string): never {
  const what = task ? `: ${task.replace(/\.$/, "")}` : "";
  throw new TodoError(`Not done yet${what}. Replace this todo(…) line by your code and run the cell again.`);
}
