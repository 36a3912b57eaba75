import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { rewriteImports } from "../../scripts/notebooks/editions";
import { copyOfEdition } from "../../src/exercises/work/copy";
import { textOf, type NotebookFile } from "../../src/exercises/work/edition";
import { withBrowser } from "../chart/browser";
import { startLab } from "./lab";

const ROOT = resolve(__dirname, "..", "..");
const NAME = "01-dpo-from-scratch";
const COPY = join("work", "browser-test.ipynb");
/** What the notebook saves goes here and away with it: a checkpoint is half a gigabyte. */
const SAVED = join("runs", "browser-test");
const SCREENSHOTS = process.env.ALIGNLAB_SCREENSHOTS;

const read = (...path: string[]): NotebookFile => JSON.parse(readFileSync(join(ROOT, ...path), "utf8")) as NotebookFile;

/** The solution of 01 without its outputs, as a student's copy of an edition whose last exercise was another. */
function copyOfNotebook(): string {
  const edition = read("notebooks", `${NAME}.ipynb`);
  const older = { ...edition, cells: edition.cells.map((cell) => (/^function trainStep\(/m.test(textOf(cell)) ? { ...cell, source: `${textOf(cell)}\n// as it was` } : cell)) };
  const cells = read("notebooks", "solutions", `${NAME}.ipynb`).cells.map((cell) => {
    return cell.cell_type === "code" ? { ...cell, source: rewriteImports(textOf(cell), "notebooks", "notebooks/solutions"), outputs: [], execution_count: null } : cell;
  });
  mkdirSync(join(ROOT, "work"), { recursive: true });
  writeFileSync(join(ROOT, COPY), JSON.stringify({ ...copyOfEdition(older, "2026-09-01"), cells }));
  return COPY;
}

const cellWith = (page: Page, text: string): Locator => page.locator(".jp-CodeCell").filter({ has: page.locator(".jp-InputArea", { hasText: text }) }).first();
const outputOf = (cell: Locator): Locator => cell.locator(".jp-OutputArea-output");

async function runCell(cell: Locator): Promise<void> {
  await cell.locator(".cm-content").click();
  await cell.page().keyboard.press("Control+Enter");
}

async function shot(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS) await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** Polls until `condition` holds, and fails with what a cell shows when one has an error. */
async function until(page: Page, what: string, minutes: number, condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + minutes * 60_000;
  while (!(await condition())) {
    const errors = await page.locator('[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"] pre:has-text("Error")').allInnerTexts();
    assert.deepEqual(errors, [], `an error while waiting for ${what}`);
    assert.ok(Date.now() < end, `waited ${minutes} minutes for ${what}`);
    await page.waitForTimeout(200);
  }
}

test("a person runs a copy of 01 in JupyterLab: news of the edition, live chart, plotly charts, Stop, the next cell", { timeout: 15 * 60_000 }, async (context) => {
  await withBrowser(context, async (browser) => {
    const lab = await startLab({ ALIGNLAB_PROFILE: "quick", ALIGNLAB_RUN_DIR: SAVED });
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
      await lab.open(page, copyOfNotebook());
      const training = cellWith(page, "await trainer.train()");
      const after = cellWith(page, "historyFrame(trainer.state.logHistory)");

      await shot(page, "opened");
      await page.locator(".lm-MenuBar-itemLabel", { hasText: /^Run$/ }).click();
      await page.locator(".lm-Menu-itemLabel", { hasText: /^Run All Cells$/ }).click();
      await sawLiveChartChange(page, training);
      await shot(page, "live");
      await until(page, "the last cell", 8, async () => /\[\d+\]/.test(await page.locator(".jp-CodeCell .jp-InputPrompt").last().innerText()));
      assert.ok((await page.locator(".js-plotly-plot .main-svg").count()) > 0, "no plotly chart at the end");
      assert.match(await outputOf(cellWith(page, "announceRun(")).first().innerText(), /newer edition of this notebook[^]*exercise trainStep changed[^]*npm run renew -- 01/);
      await page.locator(".js-plotly-plot").last().scrollIntoViewIfNeeded();
      await shot(page, "end");

      await stopInTheMiddle(page, training);
      await runCell(after);
      await until(page, "the next cell", 1, async () => (await outputOf(after).locator("table").count()) > 0 && (await after.locator(".jp-InputPrompt").innerText()).includes("]"));
      await shot(page, "after-stop");
    } finally {
      await lab.close();
      for (const made of [COPY, SAVED]) rmSync(join(ROOT, made), { recursive: true, force: true });
    }
  });
});

/** The training cell's picture must appear and then become another. */
async function sawLiveChartChange(page: Page, training: Locator): Promise<void> {
  const picture = async (): Promise<string> => (await outputOf(training).locator("img, svg").first().evaluate((node) => node.getAttribute("src") ?? node.outerHTML).catch(() => "")) ?? "";
  let first = "";
  await until(page, "the live chart", 6, async () => (first = await picture()) !== "");
  await until(page, "the live chart to change", 3, async () => { const now = await picture(); return now !== "" && now !== first; });
}

/** Starts the training cell again and presses Stop once its chart shows; the cell must end without an error. */
async function stopInTheMiddle(page: Page, training: Locator): Promise<void> {
  const before = await training.locator(".jp-InputPrompt").innerText();
  await training.scrollIntoViewIfNeeded();
  await runCell(training);
  await until(page, "training to start again", 2, async () => (await training.locator(".jp-InputPrompt").innerText()).includes("*"));
  await until(page, "the live chart of the second run", 2, async () => (await outputOf(training).locator("img, svg").count()) > 0);
  await page.locator('[data-command="notebook:interrupt-kernel"], jp-button[title*="Interrupt"]').first().click();
  await until(page, "the stopped cell to end", 2, async () => {
    const prompt = await training.locator(".jp-InputPrompt").innerText();
    return !prompt.includes("*") && prompt !== before;
  });
}
