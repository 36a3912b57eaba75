type Names = Record<string, unknown>;

/** What cells declare, shared by all of them: each cell's `exports`. */
export class Variables {
  readonly exports: Names = {};

  /** Reads a value and forgets it. */
  take(name: string): unknown {
    const value = this.exports[name];
    delete this.exports[name];
    return value;
  }

  /** Names that have no value say why when they are read, until a cell sets them. */
  markUnset(names: string[], why: string): void {
    for (const name of names) {
      if (Object.getOwnPropertyDescriptor(this.exports, name)?.value !== undefined) continue;
      Object.defineProperty(this.exports, name, {
        get: () => {
          throw new ReferenceError(`${name} has no value: ${why}`);
        },
        set: (value: unknown) => {
          Object.defineProperty(this.exports, name, { value, writable: true, enumerable: true, configurable: true });
        },
        enumerable: true,
        configurable: true,
      });
    }
  }
}
