import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { zmq } from "./tslab";

export interface Header {
  msg_id: string;
  msg_type: string;
  session: string;
  username: string;
  date: string;
  version: string;
}

export type Content = Record<string, unknown>;

/** A request as it came in, with the socket that its reply goes back to. */
export interface Request {
  socket: Sender;
  identities: Buffer[];
  header: Header;
  content: Content;
}

interface Sender {
  send(frames: (string | Buffer)[]): Promise<void>;
}

interface Connection {
  transport: string;
  ip: string;
  key: string;
  shell_port: number;
  iopub_port: number;
  control_port: number;
  stdin_port: number;
  hb_port: number;
}

const delimiter = Buffer.from("<IDS|MSG>");

/**
 * JSON in which halves of characters, as `"😀"[0]` is one, have become "�": JSON writes them as \ud83d, which Jupyter takes
 * in and then cannot write to the notebook's file.
 */
function wellFormed(json: string): string {
  if (!json.includes("\\ud")) return json;
  return json.replace(/\\\\|\\ud[89a-f][0-9a-f]{2}/g, (found) => (found === "\\\\" ? found : "\ufffd"));
}

/** Jupyter's five sockets and the framing of its messages (protocol 5.3). */
export class Wire {
  private readonly connection: Connection;
  private readonly session = randomUUID();
  private readonly iopub = new zmq.Publisher();
  private readonly shell = new zmq.Router();
  private readonly control = new zmq.Router();
  private readonly stdin = new zmq.Router();
  private readonly heartbeat = new zmq.Reply();

  constructor(connectionFile: string) {
    this.connection = JSON.parse(readFileSync(connectionFile, "utf8")) as Connection;
    for (const socket of [this.iopub, this.shell, this.control]) {
      // Without these, zeromq.js sends 512 messages at once and refuses what follows until the event loop turns:
      // lines printed in a loop, and the idle status after them, were lost.
      socket.sendTimeout = 0;
      socket.sendHighWaterMark = 0;
    }
  }

  /** Binds the sockets and hands each request, in the order it arrived, to `handle`. */
  async listen(handle: (request: Request) => void): Promise<void> {
    const { transport, ip, shell_port, iopub_port, control_port, stdin_port, hb_port } = this.connection;
    const bind = (socket: { bind(address: string): Promise<void> }, port: number) =>
      socket.bind(transport === "ipc" ? `ipc://${ip}-${port}` : `${transport}://${ip}:${port}`);
    await Promise.all([
      bind(this.iopub, iopub_port),
      bind(this.shell, shell_port),
      bind(this.control, control_port),
      bind(this.stdin, stdin_port),
      bind(this.heartbeat, hb_port),
    ]);
    void this.receive(this.shell, handle);
    void this.receive(this.control, handle);
    void this.echo();
  }

  private async receive(socket: AsyncIterable<Buffer[]> & Sender, handle: (request: Request) => void): Promise<void> {
    for await (const frames of socket) {
      const request = this.parse(socket, frames);
      if (request) handle(request);
    }
  }

  private async echo(): Promise<void> {
    for await (const frames of this.heartbeat) await this.heartbeat.send(frames);
  }

  private sign(parts: (string | Buffer)[]): string {
    if (this.connection.key === "") return "";
    const hash = createHmac("sha256", this.connection.key);
    for (const part of parts) hash.update(part);
    return hash.digest("hex");
  }

  /** Undefined for a message that is not whole or not signed with the connection's key. */
  private parse(socket: Sender, frames: Buffer[]): Request | undefined {
    const at = frames.findIndex((frame) => frame.equals(delimiter));
    const parts = frames.slice(at + 2, at + 6);
    if (at < 0 || parts.length < 4) return undefined;
    const wanted = Buffer.from(this.sign(frames.slice(at + 2)));
    const given = frames[at + 1]!;
    if (wanted.length !== given.length || !timingSafeEqual(wanted, given)) return undefined;
    const [header, , , content] = parts.map((part) => JSON.parse(part.toString()) as unknown);
    return { socket, identities: frames.slice(0, at), header: header as Header, content: content as Content };
  }

  private frames(type: string, content: Content, parent: Header | undefined): string[] {
    const header: Header = {
      msg_id: randomUUID(),
      msg_type: type,
      session: this.session,
      username: "kernel",
      date: new Date().toISOString(),
      version: "5.3",
    };
    return [header, parent ?? {}, {}, content].map((part) => wellFormed(JSON.stringify(part)));
  }

  reply(request: Request, type: string, content: Content): void {
    const parts = this.frames(type, content, request.header);
    void request.socket.send([...request.identities, delimiter, this.sign(parts), ...parts]);
  }

  /** Sends to every client; `parent` is the request that it belongs to. */
  publish(type: string, content: Content, parent?: Header): void {
    const parts = this.frames(type, content, parent);
    void this.iopub.send([type, delimiter, this.sign(parts), ...parts]);
  }

  close(): void {
    for (const socket of [this.iopub, this.shell, this.control, this.stdin, this.heartbeat]) socket.close();
  }
}
