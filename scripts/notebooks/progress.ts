import type { Failure, RunEvent } from "./execute";
import { joined, type Cell, type Notebook } from "./ipynb";

/** Heading of the section a cell stands in, and its first line of code: enough to know it again. */
export function cellTitles(notebook: Notebook): string[] {
  let heading = "";
  return notebook.cells.map((cell) => {
    const text = joined(cell.source);
    if (cell.cell_type === "markdown") heading = /^#{1,4} (.+)$/m.exec(text)?.[1] ?? heading;
    return [heading, cell.cell_type === "code" ? firstLine(text) : ""].filter(Boolean).join(" · ");
  });
}

function firstLine(code: string): string {
  const withoutImports = code.replace(/^import\b[\s\S]*?;$/gm, "");
  const lines = withoutImports.split("\n").filter((line) => line.trim() !== "" && !/^\s*(\/\/|\/\*|\*|\})/.test(line));
  return lines[0]?.trim() ?? code.split("\n")[0];
}

/** Number of a code cell among the code cells, from 1, for each cell; 0 for markdown. */
function codeNumbers(cells: Cell[]): number[] {
  let count = 0;
  return cells.map((cell) => (cell.cell_type === "code" ? ++count : 0));
}

/** Prints a run as it goes: one line a cell, and on a terminal the running cell's last line of output under the cursor. */
export class ProgressPrinter {
  private readonly titles: string[];
  private readonly numbers: number[];
  private readonly total: number;
  private readonly terminal: boolean;
  private started = Date.now();
  private running: number | null = null;
  private lastOutput = "";
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly notebook: Notebook,
    private readonly out: NodeJS.WriteStream = process.stdout,
  ) {
    this.titles = cellTitles(notebook);
    this.numbers = codeNumbers(notebook.cells);
    this.total = Math.max(...this.numbers, 0);
    this.terminal = out.isTTY === true;
  }

  on(event: RunEvent): void {
    if (event.event === "kernel") this.line(`kernel ready after ${seconds(Date.now() - this.started)}`);
    if (event.event === "cell") this.start(event.index);
    if (event.event === "output" && event.text !== "") this.lastOutput = event.text;
    if (event.event === "output" && this.terminal) this.draw();
    if (event.event === "cell-end") this.end(event.index, event.seconds, event.failure);
    if (event.event === "stopping") this.line("stopping after this cell; Ctrl-C again ends at once");
    if (event.event === "fatal") this.line(event.message);
    if (event.event === "end") this.stopTimer();
  }

  /** The failing cell: number, source and error. */
  failureText(index: number, failure: Failure): string {
    const source = joined(this.notebook.cells[index].source);
    const numbered = source.split("\n").map((line, at) => `  ${String(at + 1).padStart(3)} | ${line}`);
    const details = failure.traceback ?? `${failure.ename}: ${failure.evalue}`;
    return [`Cell ${this.numbers[index]} of ${this.total} failed (${this.titles[index]}):`, ...numbered, "", details].join("\n");
  }

  private start(index: number): void {
    this.running = index;
    this.started = Date.now();
    this.lastOutput = "";
    this.stopTimer();
    this.timer = setInterval(() => (this.terminal ? this.draw() : this.heartbeat()), this.terminal ? 1000 : 30_000);
    if (this.terminal) this.draw();
  }

  private end(index: number, time: number, failure: Failure | null): void {
    this.stopTimer();
    this.running = null;
    const word = !failure ? "" : failure.ename === "Stopped" ? "STOPPED " : "FAILED ";
    this.line(`${word}${this.label(index)}  ${time.toFixed(1)} s${this.tail()}`);
  }

  private heartbeat(): void {
    if (this.running !== null) this.line(`  ${this.label(this.running)} … ${seconds(Date.now() - this.started)}${this.tail()}`);
  }

  private draw(): void {
    if (this.running === null) return;
    const text = `${this.label(this.running)} … ${seconds(Date.now() - this.started)}${this.tail()}`;
    this.out.write(`\r\x1b[2K${text.slice(0, (this.out.columns || 100) - 1)}`);
  }

  private label(index: number): string {
    return `[${String(this.numbers[index]).padStart(String(this.total).length)}/${this.total}] ${this.titles[index].slice(0, 72).padEnd(72)}`;
  }

  private tail(): string {
    return this.lastOutput === "" ? "" : `  | ${this.lastOutput.slice(0, 120)}`;
  }

  private line(text: string): void {
    this.out.write(`${this.terminal ? "\r\x1b[2K" : ""}${text.trimEnd()}\n`);
  }

  private stopTimer(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
