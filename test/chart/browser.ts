import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { type Browser, chromium } from "playwright-core";
import { CHROMIUM_PLACES } from "../../scripts/doctor/browsers.mjs";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/**
 * Runs `work` with a headless browser. Where none is installed the test is skipped with a message;
 * in CI, which installs one, that is a failure.
 */
export async function withBrowser(context: TestContext, work: (browser: Browser) => Promise<void>): Promise<void> {
  const executablePath = CHROMIUM_PLACES.find((place) => existsSync(place));
  if (!executablePath) {
    const message = "no browser: install Debian's chromium to run this test";
    if (process.env.CI === "true") throw new Error(message);
    context.skip(message);
    return;
  }
  const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
  try {
    await work(browser);
  } finally {
    await browser.close();
  }
}
