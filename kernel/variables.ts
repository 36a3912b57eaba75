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
    for (const name of names) if (!this.has(name)) this.refuse(name, `has no value: ${why}`);
  }

  /** Values that a cell should have replaced say so when they are read, until one does. */
  markOutdated(names: string[], why: string): void {
    for (const name of names) if (this.has(name)) this.refuse(name, `is out of date: ${why}`);
  }

  private has(name: string): boolean {
    return Object.getOwnPropertyDescriptor(this.exports, name)?.value !== undefined;
  }

  private refuse(name: string, why: string): void {
    Object.defineProperty(this.exports, name, {
      get: () => {
        throw new ReferenceError(`${name} ${why}`);
      },
      set: (value: unknown) => {
        Object.defineProperty(this.exports, name, { value, writable: true, enumerable: true, configurable: true });
      },
      enumerable: true,
      configurable: true,
    });
  }
}
