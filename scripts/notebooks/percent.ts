/** One cell of a percent-format source. */
export interface SourceCell {
  kind: "code" | "markdown";
  /** The cell's text; a markdown cell's without its comment marks. */
  text: string;
  /** Options of the marker line, for example tags. */
  options: Record<string, unknown>;
  /** Line of the marker in the source, counted from 1. */
  line: number;
}

const marker = /^\/\/ %%(?:\s+(.*))?$/;
const option = /([A-Za-z_][\w.-]*)\s*=\s*("(?:[^"\\]|\\.)*"|\[[^\]]*\]|true|false|-?\d+(?:\.\d+)?)/g;

/** Reads a percent-format TypeScript source into cells. Throws with the line where the format is broken. */
export function parsePercent(source: string, name = "the source"): SourceCell[] {
  const lines = source.replace(/\r\n/g, "\n").split("\n");
  let index = skipHeader(lines);
  const cells: SourceCell[] = [];
  while (index < lines.length) {
    const match = marker.exec(lines[index]);
    if (!match) {
      if (lines[index].trim() !== "") {
        throw new Error(`${name}:${index + 1}: text outside of a cell. Start a cell with "// %%" or "// %% [markdown]".`);
      }
      index++;
      continue;
    }
    const start = index + 1;
    let end = start;
    while (end < lines.length && !marker.test(lines[end])) end++;
    cells.push(readCell(match[1] ?? "", lines.slice(start, end), start, name));
    index = end;
  }
  return cells;
}

function skipHeader(lines: string[]): number {
  if (lines[0]?.trim() !== "// ---") return 0;
  const end = lines.findIndex((line, index) => index > 0 && line.trim() === "// ---");
  return end === -1 ? 0 : end + 1;
}

function readCell(head: string, body: string[], line: number, name: string): SourceCell {
  const kindMatch = /\[(\w+)\]/.exec(head.replace(option, ""));
  if (kindMatch && kindMatch[1] !== "markdown") {
    throw new Error(`${name}:${line}: cells are code or [markdown], not [${kindMatch[1]}].`);
  }
  const options = readOptions(head, line, name);
  if (!kindMatch) return { kind: "code", text: trimBlankLines(body).join("\n"), options, line };
  const text = trimBlankLines(body).map((value, offset) => {
    const match = /^\/\/(?: (.*)|)$/.exec(value.trimEnd());
    if (!match && value.trim() !== "") {
      throw new Error(`${name}:${line + offset + 1}: a line of a markdown cell must start with "// ".`);
    }
    return match?.[1] ?? "";
  });
  return { kind: "markdown", text: text.join("\n"), options, line };
}

function readOptions(head: string, line: number, name: string): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [, key, value] of head.matchAll(option)) {
    try {
      options[key] = JSON.parse(value);
    } catch {
      throw new Error(`${name}:${line}: the option ${key}=${value} is not JSON.`);
    }
  }
  return options;
}

function trimBlankLines(lines: string[]): string[] {
  let start = 0;
  let end = lines.length;
  while (start < end && lines[start].trim() === "") start++;
  while (end > start && lines[end - 1].trim() === "") end--;
  return lines.slice(start, end);
}
