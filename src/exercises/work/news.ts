import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { display } from "../../engine/host";
import { escapeHtml } from "../../engine/html";
import { editionNews, howToRenew } from "./changes";
import type { NotebookFile } from "./edition";

const root = resolve(__dirname, "../../..");

/**
 * Says in a notebook that the course has a newer edition of it, or that the course's own file was opened in place of the
 * student's copy. Shows nothing otherwise, and nothing where the notebook's file is not known.
 */
export function showEditionNews(file = process.env.JPY_SESSION_NAME, projectRoot = root): void {
  if (!file || !existsSync(file)) return;
  const folder = relative(projectRoot, dirname(resolve(file)));
  if (folder === "notebooks" && !process.env.ALIGNLAB_RUN_DIR) {
    say("This is the course's own file: what you write here is in the way of the next git pull.", [], `Work on your copy: work/${basename(file)}.`);
  }
  if (folder !== "work") return;
  const copy = readNotebook(file);
  const name = (copy?.metadata?.alignlab as { source?: string } | undefined)?.source?.replace(/\.ts$/, "");
  const edition = name === undefined ? null : readNotebook(join(projectRoot, "notebooks", `${name}.ipynb`));
  const news = copy && edition ? editionNews(copy, edition) : [];
  if (news.length === 0) return;
  const how = `Your notebook stays as it is. To take the changes over and keep your answers: save (Ctrl+S), run "${howToRenew(name!)}" in a terminal (File, New, Terminal), then File, Reload Notebook from Disk.`;
  say("The course has a newer edition of this notebook.", news, how);
}

function readNotebook(file: string): NotebookFile | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as NotebookFile;
  } catch {
    return null;
  }
}

function say(head: string, lines: string[], end: string): void {
  const list = lines.length === 0 ? "" : `<ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join("")}</ul>`;
  display({
    "text/plain": [head, ...lines.map((line) => `  ${line}`), end].join("\n"),
    "text/html": `<div style="border-left:6px dotted #888888;padding:4px 12px"><strong>${escapeHtml(head)}</strong>${list}<div>${escapeHtml(end)}</div></div>`,
  });
}
