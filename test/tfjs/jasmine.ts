/** What this suite uses of jasmine 3.99, which has no types of its own. */
export interface SpecResult {
  fullName: string;
  status: "passed" | "failed" | "pending" | "excluded";
  failedExpectations: { message: string; stack: string }[];
}

export interface JasmineEnvironment {
  configure(options: { random: boolean; specFilter?: (spec: { getFullName(): string }) => boolean }): void;
  addReporter(reporter: { specStarted?(spec: SpecResult): void; specDone?(spec: SpecResult): void; suiteDone?(suite: SpecResult): void }): void;
  beforeEach(action: () => void): void;
  afterEach(action: () => void): void;
  execute(specs: null, done: () => void): void;
}

interface Jasmine {
  env: JasmineEnvironment;
  clearReporters(): void;
}

const JasmineRunner = require("jasmine") as { new (): Jasmine };
const runner = new JasmineRunner();
runner.clearReporters();

/** The one environment of this process; its `describe`, `it` and `expect` are globals from here on. */
export const jasmineEnvironment = runner.env;
