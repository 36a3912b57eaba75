import { relative } from "node:path";
import { parseArgs } from "node:util";
import { runCommand } from "./command";
import { findNotebook, root } from "./folders";
import { copyPath, editionNames, prepareWork, renewNotebook, resetNotebook } from "./workFolder";

const usage = {
  reset: `npm run reset -- NAME…
Puts the course's own text in place of your copy of a notebook in work/, outputs and answers gone. What was there is kept in
work/backups, with the date. NAME is 01, dpo or 01-dpo-from-scratch. Save in JupyterLab first.`,
  renew: `npm run renew [-- NAME…]
Takes a newer edition of a notebook over into your copy in work/. Your answers stay where the exercise is as it was; where it
changed, yours stands below the new one. What was there is kept in work/backups, with the date. Without a NAME it says which
notebooks have a newer edition, and what changed. Save in JupyterLab first.`,
};

/** What is done after the file changed, for whoever has it open. */
const reload = "In JupyterLab: File, Reload Notebook from Disk.";

function reset(name: string): void {
  const backup = resetNotebook(name);
  console.log(`${shown(name)} is as the course made it.${backup ? ` What was there: ${relative(root, backup)}` : ""}`);
  if (backup) console.log(reload);
}

function renew(name: string): void {
  const done = renewNotebook(name);
  if (!done) return console.log(`${shown(name)} is of the newest edition already.`);
  console.log(`${shown(name)} is of the newest edition. What was there: ${relative(root, done.backup)}`);
  if (done.kept.length > 0) console.log(`  kept as you wrote it: ${counted(done.kept)}`);
  if (done.former.length > 0) console.log(`  changed in the course, yours stands below as text: ${counted(done.former)}`);
  console.log(reload);
}

function counted(names: string[]): string {
  return [...new Set(names)].map((name) => `${name}${names.filter((other) => other === name).length > 1 ? ` (${names.filter((other) => other === name).length} cells)` : ""}`).join(", ");
}

function shown(name: string): string {
  return relative(root, copyPath(name));
}

function main(args: string[]): void {
  const { values, positionals } = parseArgs({ args: args.slice(1), allowPositionals: true, options: { help: { type: "boolean", short: "h" } } });
  const command = args[0] as keyof typeof usage;
  if (!usage[command]) throw new Error("The commands are npm run reset and npm run renew.");
  if (values.help) return console.log(usage[command]);
  const names = positionals.map((wanted) => findNotebook(wanted, editionNames()));
  if (names.length > 0) return names.forEach(command === "reset" ? reset : renew);
  if (command === "reset") throw new Error(`Name the notebook to reset: ${editionNames().join(", ")}.`);
  const lines = prepareWork();
  console.log(lines.join("\n") || "Your notebooks in work/ are of the newest edition.");
}

if (require.main === module) runCommand(main, 2);
