import { Cell, currentCell } from "./cell";
import { bundleOf } from "./display";
import type { Executor } from "./executor";
import { History, type Entry } from "./history";
import type { Interrupter } from "./interrupt";
import type { Language } from "./language";
import { limitBundle } from "./limit";
import type { Modules, Reload } from "./modules";
import type { Publisher } from "./publisher";
import { ExecuteQueue } from "./queue";
import { report, type ErrorReport } from "./traceback";
import type { Content, Request, Wire } from "./wire";

export interface Parts {
  wire: Wire;
  publisher: Publisher;
  interrupter: Interrupter;
  language: Language;
  modules: Modules;
  /** The executor, made on first use: compiling cells takes a second to get ready for. */
  executor: () => Executor;
  root: string;
  exit: () => void;
}

/** Answers Jupyter's requests. Cells run one at a time; all else is answered also while one runs. */
export class Server {
  private readonly queue: ExecuteQueue;
  private readonly history = new History();
  private running: Cell | undefined;
  private count = 0;

  constructor(private readonly parts: Parts) {
    this.queue = new ExecuteQueue(
      (request) => this.execute(request),
      (request, reply) => this.answer(request, "execute_reply", () => reply),
    );
  }

  /** Whether no cell has come yet. */
  get unused(): boolean {
    return this.count === 0;
  }

  async listen(): Promise<void> {
    this.parts.publisher.captureStreams();
    await this.parts.wire.listen((request) => this.handle(request));
    this.parts.publisher.send("status", { execution_state: "starting" }, undefined);
  }

  private handle(request: Request): void {
    const { language, interrupter } = this.parts;
    const { content } = request;
    const answer = (type: string, make: () => Content) => interrupter.shield(() => this.answer(request, type, make));
    switch (request.header.msg_type) {
      case "execute_request":
        return this.queue.add(request);
      case "kernel_info_request":
        return answer("kernel_info_reply", () => language.info());
      case "is_complete_request":
        return answer("is_complete_reply", () => language.isComplete(content));
      case "complete_request":
        return answer("complete_reply", () => language.complete(content));
      case "inspect_request":
        return answer("inspect_reply", () => language.inspect(content));
      case "history_request":
        return answer("history_reply", () => this.history.answer(content));
      case "comm_info_request":
        return answer("comm_info_reply", () => ({ status: "ok", comms: {} }));
      case "interrupt_request":
        interrupter.interrupt();
        return answer("interrupt_reply", () => ({ status: "ok" }));
      case "shutdown_request":
        return this.shutdown(request);
      default:
        // Comm messages among others: nothing here opens comms, and what is not asked for needs no reply.
        return answer("", () => ({}));
    }
  }

  /** Replies between busy and idle; without a type only those are sent. */
  private answer(request: Request, type: string, make: () => Content): void {
    const { wire } = this.parts;
    this.status("busy", request);
    try {
      const content = make();
      if (type !== "") wire.reply(request, type, content);
    } catch (error) {
      wire.reply(request, type, { status: "error", ...report(error, "", this.count, this.parts.root) });
    }
    this.status("idle", request);
    // A client that shows the last status it saw would take a running cell for done.
    if (this.running) this.parts.publisher.send("status", { execution_state: "busy" }, this.running.parent);
  }

  private status(execution_state: "busy" | "idle", { header }: Request): void {
    this.parts.publisher.send("status", { execution_state }, header);
  }

  private async execute(request: Request): Promise<{ failed: boolean; finish: () => void }> {
    const { publisher, wire } = this.parts;
    const code = String(request.content.code);
    const silent = request.content.silent === true;
    const entry = silent || request.content.store_history === false ? undefined : this.history.add(++this.count, code);
    const cell = new Cell(request.header, this.count);
    this.status("busy", request);
    if (!silent) publisher.send("execute_input", { code, execution_count: this.count }, request.header);
    const error = await this.runCell(cell, code, { silent, entry });
    const reply: Content = error
      ? { status: "error", execution_count: cell.count, ...error }
      : { status: "ok", execution_count: cell.count, user_expressions: {}, payload: [] };
    const finish = () => {
      publisher.close(cell);
      if (error) publisher.send("error", { ...error }, request.header);
      wire.reply(request, "execute_reply", reply);
      this.status("idle", request);
      this.parts.interrupter.exit(cell);
    };
    return { failed: error !== undefined, finish };
  }

  private async runCell(cell: Cell, code: string, { silent, entry }: { silent: boolean; entry: Entry | undefined }): Promise<ErrorReport | undefined> {
    const { publisher, interrupter, modules, executor, root } = this.parts;
    this.running = cell;
    publisher.enter(cell);
    interrupter.enter(cell);
    try {
      this.tellReloads(interrupter.shield(() => modules.refresh()));
      const value = await executor().run(cell, code);
      if (value !== undefined && value !== null && !silent) currentCell.run(cell, () => this.showResult(cell, value, entry));
      return undefined;
    } catch (thrown) {
      return report(thrown, code, cell.count, root);
    } finally {
      this.running = undefined;
    }
  }

  private showResult(cell: Cell, value: unknown, entry: Entry | undefined): void {
    const data = limitBundle(bundleOf(value));
    if (entry) entry.output = String(data["text/plain"] ?? "");
    const content = { execution_count: cell.count, data, metadata: {} };
    this.parts.publisher.send("execute_result", content, cell.parent);
  }

  private tellReloads({ changed, dependents, held }: Reload): void {
    const { publisher } = this.parts;
    if (held.length > 0) publisher.print("stdout", `Edited since the last cell: ${held.join(", ")}. The running engine stands on ${held.length > 1 ? "them" : "it"}: restart the kernel to use the new text.\n`);
    if (changed.length === 0) return;
    const more = dependents > 0 ? ` and ${dependents} that depend on ${changed.length > 1 ? "them" : "it"}` : "";
    publisher.print("stdout", `Edited since the last cell: ${changed.join(", ")}${more}. The next import loads the new text.\n`);
  }

  private shutdown(request: Request): void {
    const reply = { status: "ok", restart: request.content.restart === true };
    this.answer(request, "shutdown_reply", () => reply);
    this.parts.publisher.send("shutdown_reply", reply, request.header);
    this.parts.exit();
  }
}
