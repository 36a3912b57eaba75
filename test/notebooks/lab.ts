import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import type { Page } from "playwright-core";

const ROOT = resolve(__dirname, "..", "..");
const NOTEBOOK_SETTINGS = "lab/api/settings/@jupyterlab/notebook-extension:tracker";

/** A JupyterLab of the project, started as `npm start` does. */
export interface Lab {
  url: string;
  token: string;
  /** Opens a notebook (a path from the project's root) in a page and waits until its kernel is idle. */
  open(page: Page, path: string): Promise<void>;
  close(): Promise<void>;
}

export async function startLab(environment: NodeJS.ProcessEnv = {}): Promise<Lab> {
  const child = spawn(process.execPath, [join(ROOT, "scripts", "start.mjs"), "--no-browser", "--offline", "--port", "0"], {
    env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"],
  });
  const { url, token } = await addressOf(child);
  const settings = (raw: string): Promise<Response> => fetch(`${url}${NOTEBOOK_SETTINGS}`, { method: "PUT", headers: { Authorization: `token ${token}` }, body: JSON.stringify({ raw }) });
  // Otherwise cells that are scrolled out of sight are not part of the page.
  await settings('{"windowingMode":"none"}');
  return {
    url, token,
    async open(page, path) {
      await page.goto(`${url}lab/tree/${path}?token=${token}&reset`, { timeout: 120_000 });
      await page.waitForSelector(".jp-Notebook .jp-Cell", { timeout: 120_000 });
      // The status bar names the kernel only once it is connected; before that, menu entries do nothing.
      await page.getByText("TypeScript (Alignlab) | Idle").waitFor({ timeout: 180_000 });
    },
    async close() {
      await settings("{}").catch(() => undefined);
      child.kill("SIGINT");
      await once(child, "exit");
    },
  };
}

async function addressOf(child: ChildProcess): Promise<{ url: string; token: string }> {
  let output = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  for (;;) {
    const found = /(http:\/\/127\.0\.0\.1:\d+\/)\S*?[?&]token=(\w+)/.exec(output);
    if (found && /JupyterLab listens/.test(output)) return { url: found[1]!, token: found[2]! };
    if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}:\n${output}`);
    await new Promise((wait) => setTimeout(wait, 100));
  }
}
