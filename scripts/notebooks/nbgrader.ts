import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { parseArgs } from "node:util";
import { runCommand } from "./command";
import { findNotebook, notebookNames, root, sourcePath } from "./folders";
import { formatNotebook, makeNotebook } from "./ipynb";

const usage = `npm run notebooks:nbgrader -- NAME --course FOLDER
Makes a notebook an assignment of an nbgrader course: FOLDER/source/NAME/NAME.ipynb, and FOLDER/nbgrader_config.py where
there is none. Students work on their copy, work/NAME.ipynb, and hand that in; its cells have the same marks.

  NAME             01, dpo or 01-dpo-from-scratch
  --course FOLDER  the course's folder, made if need be
  --help           this text`;

/** nbgrader's settings for a course of these notebooks. */
const config = `c = get_config()  # noqa: F821

# What stands in place of a solution in nbgrader's own release version.
c.ClearSolutions.code_stub = {"typescript": "todo();"}
# Training takes longer than nbgrader waits for a cell without these.
c.ExecutePreprocessor.timeout = 3600
c.ExecutePreprocessor.startup_timeout = 120
`;

/**
 * A notebook as nbgrader's source version: solutions and hidden tests with their marks, imports for a student's folder
 * below the course's `autograded`, where nbgrader runs it.
 */
export function sourceVersion(source: string, name: string, courseFolder: string): string {
  const folder = relative(root, join(courseFolder, "autograded", "student", name)).split(sep).join("/");
  return formatNotebook(makeNotebook(source, "solution", `${name}.ts`, { folder, needsTodo: true }));
}

/** Writes one assignment into a course's folder. Returns the paths written. */
export function writeAssignment(source: string, name: string, courseFolder: string): string[] {
  const folder = join(courseFolder, "source", name);
  mkdirSync(folder, { recursive: true });
  const written = [join(folder, `${name}.ipynb`)];
  writeFileSync(written[0], sourceVersion(source, name, courseFolder));
  const settings = join(courseFolder, "nbgrader_config.py");
  if (existsSync(settings)) return written;
  writeFileSync(settings, config);
  return [...written, settings];
}

function main(args: string[]): void {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { course: { type: "string" }, help: { type: "boolean", short: "h", default: false } } });
  if (values.help) {
    console.log(`${usage}\nNotebooks: ${notebookNames().join(", ")}`);
    return;
  }
  if (positionals.length !== 1 || values.course === undefined) throw new Error("Name one notebook and the course's folder: npm run notebooks:nbgrader -- 01 --course FOLDER. See --help.");
  const name = findNotebook(positionals[0]);
  for (const path of writeAssignment(readFileSync(sourcePath(name), "utf8"), name, resolve(values.course))) console.log(`${path} written`);
}

if (require.main === module) runCommand(main, 2);
