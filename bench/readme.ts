import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { misuse } from "./failure";
import { describeMachine } from "./machine";
import type { PartResult } from "./results";
import type { TableRow, TableSide } from "./table";

const BEGIN = "<!-- bench:begin -->";
const END = "<!-- bench:end -->";

/** Puts a text between the two markers of a file. @throws BenchFailure naming the file, when it lacks one */
export function betweenMarkers(file: string, content: string, text: string): string {
  const [begin, end] = [content.indexOf(BEGIN), content.indexOf(END)];
  if (begin < 0 || end < begin) throw misuse(`${file} lacks the lines ${BEGIN} and ${END}, in this order: the table is written between them.`);
  return `${content.slice(0, begin + BEGIN.length)}\n${text.trim()}\n${content.slice(end)}`;
}

/** Refuses a file that the table could not be written into, before anything is measured. */
export function requireMarkers(file: string): void {
  betweenMarkers(file, read(file), "");
}

export function writeTable(file: string, text: string): void {
  writeFileSync(file, betweenMarkers(file, read(file), text));
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw misuse(`--readme ${file}: ${(error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : (error as Error).message}.`);
  }
}

const NAMES: Record<string, string> = { alignlab: "Alignlab", trl: "TRL", torch: "PyTorch" };

const longDate = (iso: string): string => new Date(iso).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

/** The dates of results: one, or the first and the last. */
export function describeDates(results: readonly PartResult[]): string {
  const dates = results.map(({ date }) => date).sort();
  const [first, last] = [longDate(dates[0]!), longDate(dates.at(-1)!)];
  return first === last ? `on ${first}` : `from ${first} to ${last}`;
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function lineOf(bench: string, { work, ours, peer, ratio, memory_ratio: memory }: TableRow, busy: boolean): string {
  const sides = [ours, ...(peer ? [peer] : [])];
  const both = (write: (side: TableSide) => string): string => sides.map(write).join(" / ");
  const seconds = ({ median_seconds: value }: TableSide): string => (value === null ? "–" : value.toPrecision(3));
  const cells = [
    `\`${bench}\``, busy ? `${work} (on a busy machine)` : work, ours.setting, peer ? [NAMES[peer.side] ?? peer.side, peer.setting].join(" ") : "none", both(seconds), ratio?.toFixed(2) ?? "", both(({ spread }) => (spread * 100).toFixed(1)),
    both(({ peak_bytes: bytes }) => (bytes / 1e9).toFixed(2)), memory?.toFixed(2) ?? "",
  ];
  return `| ${cells.map(cell).join(" | ")} |`;
}

/** What stands between the markers. @param chart the chart of growing work, by its path from the file; null without one */
export function benchMarkdown(results: readonly PartResult[], chart: string | null): string {
  const measured = results.filter(({ status }) => status === "measured");
  const versions: Record<string, string> = Object.assign({}, ...measured.map(({ json }) => json?.versions ?? {}));
  const machines = [...new Set(results.map(({ machine }) => describeMachine(machine)))].join("; ");
  const lines = results.flatMap(({ part, bench, status, reason, json }) => {
    if (status === "measured") return json!.table.map((row) => lineOf(bench, row, json!.busy === true));
    return [`| \`${bench}\` | ${cell(part)} | ${status} | ${cell(status === "failed" ? reason.split("\n")[0]! : "")} |  |  |  |  |  |`];
  });
  return [
    `Measured ${describeDates(results)} on ${machines}; Node ${results[0]!.machine.node}${Object.entries(versions).filter(([name]) => name !== "node").map(([name, version]) => `, ${name} ${version}`).join("")}.`,
    "Two figures with a stroke are Alignlab's and the peer's: median seconds, the spread (half the distance between the quartiles, as a part of the median), and the highest resident memory of the process. Where no seconds stand, the spread is that of memory.",
    "A ratio above 1 says that Alignlab is faster, a memory ratio below 1 that it takes less.",
    "",
    "| bench | work | Alignlab | peer | s | ratio | ± % | peak GB | memory ratio |",
    "|---|---|---|---|---|---|---|---|---|",
    ...lines,
    "",
    ...(chart === null ? [] : [`![Seconds and memory of forward and backward against tokens, batch and layers](${chart.split(path.sep).join("/")})`, ""]),
    `Each line comes from one of ${results.map(({ part }) => `\`${part}\``).join(", ")} behind \`npm run bench --\`; \`npm run bench -- all\` runs them and writes this table.`,
  ].join("\n");
}
