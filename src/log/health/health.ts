import type { LogRow } from "../../step/callbacks";
import { HEALTH_RULES, type HealthRemark, type HealthRule } from "./rules";

/** What a rule said of a run, and at which step. */
export interface HealthFinding extends HealthRemark {
  rule: string;
  severity: HealthRule["severity"];
  step: number;
  source: string;
}

export function findingOf({ name, severity, source }: HealthRule, step: number, remark: HealthRemark): HealthFinding {
  return { rule: name, severity, step, ...remark, source };
}

/** Follows one run's log. Each rule speaks once. */
export class HealthWatch {
  private watchers = HEALTH_RULES.map((rule) => ({ rule, see: rule.watch() }));

  /** Takes the log's next row. @returns what it gives reason to say for the first time */
  add(row: LogRow): HealthFinding[] {
    const found: HealthFinding[] = [];
    this.watchers = this.watchers.filter(({ rule, see }) => {
      const remark = see(row);
      if (remark) found.push(findingOf(rule, row.step, remark));
      return remark === null;
    });
    return found;
  }
}

/**
 * What a practitioner would say of a run's log: each of the rules' signs with the step at which it shows, once.
 * @param rows training and evaluation rows in the order they came, under TRL's names
 */
export function checkHealth(rows: readonly LogRow[]): HealthFinding[] {
  const watch = new HealthWatch();
  return rows.flatMap((row) => watch.add(row));
}
