import { StringDecoder } from "node:string_decoder";
import { currentCell, type Cell } from "./cell";
import { limitBundle, PrintLimit } from "./limit";
import { labelCells } from "./traceback";
import type { Content, Header, Wire } from "./wire";

type StreamName = "stdout" | "stderr";

/** Lines printed within this time travel in one message. */
const gatherMs = 25;
/** A piece this long is sent at once, so that a loop that never yields does not fill the memory. */
const gatherCharacters = 32_768;

/** Everything a cell shows: printed text, displays, results, errors, each sent with the cell that it belongs to. */
export class Publisher {
  private pending: { name: StreamName; text: string; parent: Header } | undefined;
  private timer: NodeJS.Timeout | undefined;
  private lastCell: Cell | undefined;
  private lastSent = 0;
  private readonly limits = new WeakMap<Header, PrintLimit<StreamName>>();

  constructor(private readonly wire: Wire) {}

  /** From here on, output of code that belongs to no cell is shown with this one. */
  enter(cell: Cell): void {
    this.lastCell = cell;
  }

  private parent(): Header | undefined {
    return (currentCell.getStore() ?? this.lastCell)?.parent;
  }

  /** Sends what is printed on stdout and stderr to the notebook instead. */
  captureStreams(): void {
    for (const name of ["stdout", "stderr"] as const) {
      const decoder = new StringDecoder("utf8");
      const write = (chunk: string | Uint8Array, encoding?: unknown, done?: unknown): boolean => {
        this.print(name, typeof chunk === "string" ? chunk : decoder.write(Buffer.from(chunk)));
        const callback = typeof encoding === "function" ? encoding : done;
        if (typeof callback === "function") process.nextTick(callback as () => void);
        return true;
      };
      process[name].write = write as typeof process.stdout.write;
    }
  }

  print(name: StreamName, text: string): void {
    const parent = this.parent();
    if (!parent) return;
    const limit = this.limits.get(parent) ?? new PrintLimit();
    this.limits.set(parent, limit);
    this.gather(name, limit.take(name, text), parent);
  }

  /** The cell is done: shows the end of what was cut from its printed text. */
  close(cell: Cell): void {
    for (const { name, text } of this.limits.get(cell.parent)?.close() ?? []) this.gather(name, text, cell.parent);
    this.flush();
  }

  private gather(name: StreamName, text: string, parent: Header): void {
    if (text === "") return;
    if (this.pending && (this.pending.name !== name || this.pending.parent !== parent)) this.flush();
    this.pending ??= { name, text: "", parent };
    this.pending.text += text;
    // After a silence at once: what follows may be a computation that keeps the timer waiting.
    const silent = Date.now() - this.lastSent > gatherMs;
    if (silent || this.pending.text.length >= gatherCharacters) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), gatherMs);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const pending = this.pending;
    this.pending = undefined;
    if (!pending) return;
    this.wire.publish("stream", { name: pending.name, text: labelCells(pending.text) }, pending.parent);
    this.lastSent = Date.now();
  }

  /** Sends one message after what was printed before it. */
  send(type: string, content: Content, parent: Header | undefined = this.parent()): void {
    this.flush();
    this.wire.publish(type, content, parent);
  }

  display(data: Content, options: { displayId?: string; update?: boolean; metadata?: Content } = {}): void {
    const transient = options.displayId === undefined ? {} : { display_id: options.displayId };
    this.send(options.update ? "update_display_data" : "display_data", { data: limitBundle(data), metadata: options.metadata ?? {}, transient });
  }

  clearOutput(wait = false): void {
    this.send("clear_output", { wait });
  }
}
