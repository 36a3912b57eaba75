import assert from "node:assert/strict";
import { test } from "node:test";
import { figureBundle } from "../../src/chart/bundle";
import { renderSvg } from "../../src/chart/svg/render";
import { withBrowser } from "./browser";
import { gallery } from "./gallery";

const figures = Object.entries(gallery());
/** One of each kind: plotly takes its time to draw. */
const drawn = ["line-band", "histogram-four", "bars-lying", "scatter", "heatmap-small", "training-six", "rewards", "calibration", "frontier"];

test("plotly.js finds nothing wrong with any figure, and draws the same words as our drawing", async (context) => {
  await withBrowser(context, async (browser) => {
    const page = await browser.newPage();
    await page.setContent("<!doctype html><div id=chart></div>");
    await page.addScriptTag({ path: require.resolve("plotly.js-dist-min/plotly.min.js") });
    const wrong = await page.evaluate(`Plotly.validate([{ type: "scatter", y: [1], modee: "lines" }], {})`);
    assert.equal((wrong as unknown[]).length, 1, "a wrong key is found");
    for (const [name, figure] of figures) {
      const plain = figureBundle(figure)["application/vnd.plotly.v1+json"];
      const { faults, words } = (await page.evaluate(`(async () => {
        const { data, layout, config } = ${JSON.stringify(plain)};
        const faults = (Plotly.validate(data, layout) ?? []).map((fault) => fault.msg);
        if (!${drawn.includes(name)}) return { faults, words: [] };
        const chart = await Plotly.newPlot("chart", data, layout, config);
        const parts = chart.querySelectorAll(".legendtext, .gtitle:not(:has(tspan)), .gtitle tspan.line, .xtitle, .x2title, .x3title, .ytitle, .annotation-text");
        return { faults, words: [...parts].map((node) => node.textContent) };
      })()`)) as Record<"faults" | "words", string[]>;
      assert.deepEqual(faults, [], name);
      const svg = renderSvg(figure).replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&amp;/g, "&");
      assert.equal(words.length > 0, drawn.includes(name), `${name} is drawn`);
      for (const word of words) assert.ok(svg.includes(`>${word}</text>`), `${name}: our drawing has "${word}", as plotly's`);
    }
  });
});

test("in our drawings no label is cut off and none lies on another", async (context) => {
  await withBrowser(context, async (browser) => {
    const page = await browser.newPage();
    const overlaps = `(() => {
      const frame = document.querySelector("svg").getBoundingClientRect();
      const labels = [...document.querySelectorAll("text")].map((node) => ({ words: node.textContent, box: node.getBoundingClientRect(), turned: node.hasAttribute("transform") }));
      const found = [];
      for (const { words, box } of labels) {
        if (box.left < frame.left - 1 || box.top < frame.top - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1) found.push("cut off: " + words);
      }
      labels.forEach((a, i) => labels.slice(i + 1).forEach((b) => {
        if (a.turned && b.turned) return;
        const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
        const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
        if (across > 1 && down > 3) found.push(a.words + " on " + b.words);
      }));
      return found;
    })()`;
    await page.setContent(`<!doctype html><svg width="100" height="50"><text x="90" y="20">long</text><text x="92" y="20">label</text></svg>`);
    assert.equal(((await page.evaluate(overlaps)) as string[]).length, 3, "the check sees two that are cut off and that they overlap");
    for (const [name, figure] of figures) {
      await page.setContent(`<!doctype html><meta charset="utf-8"><body style="margin:0">${renderSvg(figure)}`);
      assert.deepEqual(await page.evaluate(overlaps), [], name);
    }
  });
});
