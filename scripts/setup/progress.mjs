const HEARTBEAT_MS = 10_000;

/** Plain lines with the time since the start: one as each part begins and ends, and one every ten seconds while any runs. */
export class Progress {
  #running = new Map();
  #start;
  #write;
  #timer;

  constructor({ write = (line) => process.stderr.write(`${line}\n`), start = performance.now() } = {}) {
    this.#start = start;
    this.#write = write;
  }

  /** Seconds since the start. */
  get elapsed() {
    return (performance.now() - this.#start) / 1000;
  }

  line(text) {
    this.#write(`[${this.elapsed.toFixed(1).padStart(6)} s] ${text}`);
  }

  /** Runs one part between a line at its beginning and one at its end. `detail()` may say how far it is. */
  async part(name, doing, work, detail = () => '') {
    this.line(`${name}: ${doing}`);
    const since = performance.now();
    this.#running.set(name, { since, detail });
    this.#timer ??= setInterval(() => this.#heartbeat(), HEARTBEAT_MS).unref();
    try {
      const result = await work();
      this.line(`${name}: done in ${((performance.now() - since) / 1000).toFixed(1)} s`);
      return result;
    } finally {
      this.#running.delete(name);
      if (this.#running.size === 0) this.stop();
    }
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #heartbeat() {
    const parts = [...this.#running].map(([name, { detail }]) => {
      const how = detail();
      return how ? `${name} (${how})` : name;
    });
    this.line(`still at work: ${parts.join(', ')}`);
  }
}
