/** An expected failure of a bench: printed as its message, without a stack. */
export class BenchFailure extends Error {
  override name = "BenchFailure";

  constructor(readonly exitCode: 1 | 2 | 3 | 130, message: string) {
    super(message);
  }
}

/** A wrong option or file: exit code 2. */
export const misuse = (message: string): BenchFailure => new BenchFailure(2, message);

/** The machine was busy: exit code 3. */
export const tooBusy = (message: string): BenchFailure => new BenchFailure(3, message);
