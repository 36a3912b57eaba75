import type * as TypeScript from "@tslab/typescript-for-tslab";
import { printQuickInfo, isCompleteCode, typescript as ts } from "./tslab";
import type { Compiler } from "./compiler";
import type { Content } from "./wire";

/** Jupyter counts characters, JavaScript counts UTF-16 units: emoji are one and two. */
function toUnits(text: string, characters: number): number {
  return [...text].slice(0, characters).join("").length;
}

function toCharacters(text: string, units: number): number {
  return [...text.slice(0, units)].length;
}

/** TypeScript's number for a template literal without its end. */
const unterminatedTemplate = 1160;

/** What the parser found; TypeScript keeps it with the file without saying so in its types. */
function syntaxProblems(code: string): TypeScript.Diagnostic[] {
  const file = ts.createSourceFile("cell.ts", code, ts.ScriptTarget.ES2022);
  return (file as unknown as { parseDiagnostics: TypeScript.Diagnostic[] }).parseDiagnostics;
}

/** Answers to the requests that an editor makes about code that is not run. */
export class Language {
  constructor(private readonly compiler: () => Compiler) {}

  info(): Content {
    return {
      status: "ok",
      protocol_version: "5.3",
      implementation: "alignlab",
      implementation_version: "0.1.0",
      language_info: {
        name: "typescript",
        version: ts.version,
        mimetype: "text/typescript",
        file_extension: ".ts",
        pygments_lexer: "typescript",
        codemirror_mode: { name: "javascript", typescript: true, mode: "typescript" },
        nbconvert_exporter: "script",
      },
      banner: `Alignlab: TypeScript ${ts.version} on Node ${process.versions.node}`,
      help_links: [],
    };
  }

  isComplete(content: Content): Content {
    const code = String(content.code);
    const { completed, indent } = isCompleteCode(code);
    if (!completed) return { status: "incomplete", indent: indent ?? "" };
    const problems = syntaxProblems(code);
    if (problems.some((problem) => problem.code === unterminatedTemplate)) return { status: "incomplete", indent: "" };
    return { status: problems.length > 0 ? "invalid" : "complete" };
  }

  complete(content: Content): Content {
    const code = String(content.code);
    const { start, end, candidates } = this.compiler().complete(code, toUnits(code, Number(content.cursor_pos)));
    const [cursor_start, cursor_end] = [toCharacters(code, start), toCharacters(code, end)];
    return { status: "ok", matches: candidates, cursor_start, cursor_end, metadata: {} };
  }

  inspect(content: Content): Content {
    const code = String(content.code);
    const info = this.compiler().inspect(code, toUnits(code, Number(content.cursor_pos)));
    if (!info) return { status: "ok", found: false, data: {}, metadata: {} };
    return { status: "ok", found: true, data: { "text/plain": printQuickInfo(info) }, metadata: {} };
  }
}
