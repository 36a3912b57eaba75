/** What one run of tfjs-core's specs reports. */
export interface SuiteReport {
  specs: { name: string; passed: boolean; messages: string[] }[];
  /** Specs that tfjs-core itself has switched off. */
  pending: number;
  ops: number;
  compiledCalls: number;
}
