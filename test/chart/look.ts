/**
 * Writes contact sheets of every chart of the gallery, to be looked at: our drawings and plotly's charts on JupyterLab's
 * light and dark ground, and the page that nbconvert exports. The name "health" stands for the health monitor's output.
 *
 *   node --import tsx test/chart/look.ts FOLDER [NAME…]
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { chromium, type Browser } from "playwright-core";
import { CHROMIUM_PLACES } from "../../scripts/doctor/browsers.mjs";
import { displayMethod, type MimeBundle } from "../../src/engine/host";
import { checkHealth } from "../../src/log/health/health";
import { healthBundle } from "../../src/log/health/monitor";
import { readJsonl } from "../../src/step/jsonl";
import { gallery, tables } from "./gallery";

const PER_SHEET = 6;
const GROUNDS = { light: "#ffffff", dark: "#111111" } as const;
/** JupyterLab's own values, which tables and texts read. */
const VARIABLES = {
  light: "--jp-content-font-color1: rgba(0,0,0,.87); --jp-content-font-color2: rgba(0,0,0,.54); --jp-border-color2: #e0e0e0; --jp-layout-color2: #eee; --jp-layout-color3: #bdbdbd; --jp-brand-color1: #1976d2",
  dark: "--jp-content-font-color1: #fff; --jp-content-font-color2: rgba(255,255,255,.7); --jp-border-color2: #616161; --jp-layout-color2: #424242; --jp-layout-color3: #616161; --jp-brand-color1: #2196f3",
} as const;

type Entry = [name: string, bundle: MimeBundle];

function page(body: string, theme: keyof typeof GROUNDS): string {
  const ink = "color: var(--jp-content-font-color1)";
  return `<!doctype html><meta charset="utf-8"><style>:root { ${VARIABLES[theme]} }</style><body style="margin:8px;background:${GROUNDS[theme]};${ink};font:13px system-ui">${body}`;
}

async function drawings(browser: Browser, folder: string, entries: Entry[], theme: keyof typeof GROUNDS): Promise<void> {
  for (let from = 0; from < entries.length; from += PER_SHEET) {
    const cells = entries.slice(from, from + PER_SHEET).map(([name, bundle]) => `<div style="width:770px"><small>${name}</small><br>${String(bundle["image/svg+xml"] ?? bundle["text/html"])}</div>`);
    const sheet = await browser.newPage({ viewport: { width: 1580, height: 600 } });
    await sheet.setContent(page(`<div style="display:flex;flex-wrap:wrap;gap:8px">${cells.join("")}</div>`, theme));
    await sheet.screenshot({ path: path.join(folder, `${theme}-${from / PER_SHEET}.png`), fullPage: true });
    await sheet.close();
  }
}

async function plotly(browser: Browser, folder: string, entries: Entry[], theme: keyof typeof GROUNDS): Promise<void> {
  const charts = entries.filter(([, bundle]) => "application/vnd.plotly.v1+json" in bundle);
  for (let from = 0; from < charts.length; from += PER_SHEET) {
    const some = charts.slice(from, from + PER_SHEET);
    const sheet = await browser.newPage({ viewport: { width: 1580, height: 600 } });
    await sheet.setContent(page(`<div style="display:flex;flex-wrap:wrap;gap:8px">${some.map(([name], at) => `<div style="width:770px"><small>${name}</small><div id="c${at}"></div></div>`).join("")}</div>`, theme));
    await sheet.addScriptTag({ path: require.resolve("plotly.js-dist-min/plotly.min.js") });
    for (const [at, [, bundle]] of some.entries()) {
      await sheet.evaluate(`(async () => { const f = ${JSON.stringify(bundle["application/vnd.plotly.v1+json"])}; await Plotly.newPlot("c${at}", f.data, f.layout, f.config); })()`);
    }
    await sheet.screenshot({ path: path.join(folder, `plotly-${theme}-${from / PER_SHEET}.png`), fullPage: true });
    await sheet.close();
  }
}

/** A notebook with one output for each entry, as nbconvert exports it to HTML. */
async function exported(browser: Browser, folder: string, entries: Entry[]): Promise<void> {
  const cells = entries.map(([name, data]) => ({
    cell_type: "code", execution_count: 1, metadata: {}, source: name, outputs: [{ output_type: "display_data", metadata: {}, data }],
  }));
  const notebook = path.join(folder, "gallery.ipynb");
  writeFileSync(notebook, JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }));
  const jupyter = path.join(__dirname, "../../.venv/bin/jupyter-nbconvert");
  execFileSync(existsSync(jupyter) ? jupyter : "jupyter-nbconvert", ["--to", "html", notebook], { stdio: "ignore" });
  const sheet = await browser.newPage({ viewport: { width: 1000, height: 700 } });
  await sheet.goto(`file://${path.join(folder, "gallery.html")}`, { waitUntil: "domcontentloaded" });
  const outputs = await sheet.locator(".jp-OutputArea").all();
  for (const [at, output] of outputs.entries()) await output.screenshot({ path: path.join(folder, `export-${entries[at]![0]}.png`) });
  await sheet.close();
}

/** The health monitor's output over recorded runs: many remarks, one alarm, none. */
function health(): Entry[] {
  return ["rl-entropy-explodes", "dpo-rate-zero", "dpo-sound"].map((name): Entry => {
    const rows = readJsonl(path.join(__dirname, `../fixtures/health/${name}.jsonl`));
    return [`health-${name}`, healthBundle(checkHealth(rows), rows.at(-1)!.step)];
  });
}

async function main([folder, ...names]: string[]): Promise<void> {
  if (!folder) throw new Error("Name the folder for the pictures: node --import tsx test/chart/look.ts FOLDER [NAME…]");
  mkdirSync(folder, { recursive: true });
  const shown = Object.entries({ ...gallery(), ...tables() }).filter(([name]) => names.length === 0 || names.some((part) => name.includes(part)));
  const entries = shown.map(([name, value]): Entry => [name, (value as unknown as { [displayMethod](): MimeBundle })[displayMethod]()]);
  if (names.length === 0 || names.includes("health")) entries.push(...health());
  const browser = await chromium.launch({ executablePath: CHROMIUM_PLACES.find((place) => existsSync(place))!, args: ["--no-sandbox", "--disable-gpu"] });
  try {
    for (const theme of ["light", "dark"] as const) {
      await drawings(browser, folder, entries, theme);
      await plotly(browser, folder, entries, theme);
    }
    await exported(browser, folder, entries);
  } finally {
    await browser.close();
  }
}

void main(process.argv.slice(2));
