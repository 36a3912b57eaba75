/** The file is not what its place in the format asks for. */
export class FormatError extends Error {
  override name = "FormatError";
}

/** A value of a parsed JSON file that knows where it stands, so that every complaint can say so. */
export class Entry {
  /** @param place such as `ref_f64.logps.chosen[3]`; empty for the whole file */
  constructor(
    private readonly value: unknown,
    readonly place: string,
  ) {}

  private refuse(wanted: string): never {
    const found = JSON.stringify(this.value) ?? "nothing";
    throw new FormatError(`${this.place || "the file"}: ${wanted} is needed, not ${found.length > 60 ? `${found.slice(0, 60)}…` : found}`);
  }

  get isNull(): boolean {
    return this.value === null;
  }

  keys(): string[] {
    if (typeof this.value !== "object" || this.value === null || Array.isArray(this.value)) this.refuse("an object");
    return Object.keys(this.value as object);
  }

  has(key: string): boolean {
    return this.keys().includes(key);
  }

  at(key: string): Entry {
    const place = this.place === "" ? key : `${this.place}.${key}`;
    if (!this.has(key)) throw new FormatError(`${place} is missing`);
    return new Entry((this.value as Record<string, unknown>)[key], place);
  }

  items(length?: number): Entry[] {
    if (!Array.isArray(this.value)) this.refuse("a list");
    const items = this.value as unknown[];
    if (length !== undefined && items.length !== length) throw new FormatError(`${this.place} has ${items.length} values; ${length} are needed`);
    return items.map((item, index) => new Entry(item, `${this.place}[${index}]`));
  }

  number(): number {
    if (typeof this.value !== "number") this.refuse("a number");
    return this.value as number;
  }

  integer(): number {
    if (!Number.isSafeInteger(this.value) || (this.value as number) < 0) this.refuse("a whole number of 0 or more");
    return this.value as number;
  }

  string(): string {
    if (typeof this.value !== "string") this.refuse("a string");
    return this.value as string;
  }

  boolean(): boolean {
    if (typeof this.value !== "boolean") this.refuse("true or false");
    return this.value as boolean;
  }

  numbers(length?: number): number[] {
    return this.items(length).map((item) => item.number());
  }

  integers(length?: number): number[] {
    return this.items(length).map((item) => item.integer());
  }

  /** A field that may be absent or null. */
  optional<T>(key: string, read: (entry: Entry) => T): T | undefined {
    if (!this.has(key) || this.at(key).isNull) return undefined;
    return read(this.at(key));
  }
}
