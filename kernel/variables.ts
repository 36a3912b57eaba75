type Names = Record<string, unknown>;

/** What cells declare, shared by all of them: each cell's `exports`. */
export class Variables {
  private readonly values: Names = {};

  /**
   * TypeScript defines imported names as getters, which cannot be defined twice; here they become plain values,
   * so that a cell can be run again.
   */
  readonly exports: Names = new Proxy(this.values, {
    defineProperty(target, name, descriptor) {
      if (name === "__esModule") return true;
      const value: unknown = descriptor.get ? descriptor.get() : descriptor.value;
      return Reflect.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
    },
  });

  /** Reads a value and forgets it. */
  take(name: string): unknown {
    const value = this.values[name];
    delete this.values[name];
    return value;
  }

  /** Names that have no value say why when they are read, until a cell sets them. */
  markUnset(names: string[], why: string): void {
    for (const name of names) {
      if (this.values[name] !== undefined) continue;
      Object.defineProperty(this.values, name, {
        get: () => {
          throw new ReferenceError(`${name} has no value: ${why}`);
        },
        set: (value: unknown) => {
          Object.defineProperty(this.values, name, { value, writable: true, enumerable: true, configurable: true });
        },
        enumerable: true,
        configurable: true,
      });
    }
  }
}
