import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { lineChart } from "../../src/chart/line";
import { renderSvg } from "../../src/chart/svg/render";
import { gallery, normal } from "./gallery";

const drawings = Object.entries(gallery()).map(([name, figure]) => ({ name, figure, svg: renderSvg(figure) }));

test("every drawing is well-formed XML with a title, a description and a role (read by Python)", () => {
  const own = path.join(__dirname, "../../.venv/bin/python");
  const script = `
import json, sys
import xml.etree.ElementTree as tree
names = {}
for name, svg in json.load(sys.stdin).items():
    root = tree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    names[name] = [root.tag, root.get("role"), root.find(space + "title").text, root.find(space + "desc").text]
print(json.dumps(names))`;
  const input = JSON.stringify(Object.fromEntries(drawings.map(({ name, svg }) => [name, svg])));
  const output = execFileSync(existsSync(own) ? own : "python3", ["-c", script], { input, encoding: "utf8", maxBuffer: 1 << 24 });
  const read = JSON.parse(output) as Record<string, string[]>;
  for (const { name, figure } of drawings) {
    const [tag, role, title, description] = read[name]!;
    assert.equal(tag, "{http://www.w3.org/2000/svg}svg");
    assert.equal(role, "img");
    assert.equal(title, String(figure.layout.title?.text).replace(/<br>/g, " "), name);
    assert.ok(description!.startsWith(title!) && description!.includes("\n"), `${name}: the description says what is drawn`);
  }
});

test("a drawing is small, repeatable and holds no number that is not finite", () => {
  const again = gallery();
  for (const { name, svg } of drawings) {
    assert.equal(renderSvg(again[name]!), svg, `${name} is drawn the same again`);
    assert.ok(svg.length < 100_000, `${name} has ${svg.length} bytes`);
    assert.doesNotMatch(svg.replace(/<(desc|title)>.*?<\/\1>|<text[^>]*>[^<]*<\/text>|aria-label="[^"]*"/gs, ""), /NaN|Infinity|undefined|null|\de[+-]/, name);
  }
});

/** The text labels of a drawing with their places, in order. */
function texts(svg: string): { x: number; y: number; text: string }[] {
  return [...svg.matchAll(/<text x="([-\d.]+)" y="([-\d.]+)"[^>]*>([^<]*)<\/text>/g)].map(([, x, y, text]) => ({ x: Number(x), y: Number(y), text: text! }));
}

/** The points of the first line of a drawing, in the whole drawing's pixels. */
function points(svg: string): [number, number][] {
  const [, left, top] = /<svg x="([\d.]+)" y="([\d.]+)"/.exec(svg)!;
  const [, path] = /d="(M[^"]*)" fill="none" stroke="#0072b2"/.exec(svg)!;
  return [...path!.matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map(([, x, y]) => [Number(x) + Number(left), Number(y) + Number(top)]);
}

test("points stand where the ticks say: linear and logarithmic", () => {
  const values = [1, 10, 100, 1000];
  for (const type of ["linear", "log"] as const) {
    const figure = lineChart({ title: "T", x: { label: "a" }, y: { label: "b", type }, series: [{ name: "s", x: [0, 200, 600, 1000], y: values, markers: false }] });
    const svg = renderSvg(figure);
    const line = points(svg);
    const labels = texts(svg);
    const expected = { linear: [["200", 0, 1], ["1000", 1, 3]], log: [["10", 1, 1], ["1000", 1, 3]] }[type] as [string, 0 | 1, number][];
    for (const [label, axis, point] of expected) {
      const at = labels.filter((entry) => entry.text === label)[axis === 0 ? 0 : labels.filter((entry) => entry.text === label).length - 1]!;
      const place = axis === 0 ? at.x : at.y - 12 * 0.35;
      assert.ok(Math.abs(place - line[point]![axis]) < 0.15, `${type}: "${label}" stands at ${place}, its point at ${line[point]![axis]}`);
    }
  }
});

test("a gap breaks the line; a long line keeps its extremes", () => {
  const gap = lineChart({ title: "T", x: { label: "a" }, y: { label: "b" }, series: [{ name: "s", x: [0, 1, 2, 3, 4], y: [1, 2, NaN, 2, Infinity], markers: false }] });
  const [, path] = /d="(M[^"]*)" fill="none" stroke="#0072b2"/.exec(renderSvg(gap))!;
  assert.equal(path!.split("M").length - 1, 1, "one piece of two points");
  assert.equal(path!.split("L").length - 1, 1);
  const long = normal(100_000, 0, 1, 5);
  long[54_321] = 40;
  const svg = renderSvg(lineChart({ title: "T", x: { label: "a" }, y: { label: "b", range: [-40, 40] }, series: [{ name: "s", x: long.map((_, i) => i), y: long }] }));
  const top = Math.min(...points(svg).map(([, y]) => y));
  assert.ok(Math.abs(top - Number(/<svg x="[\d.]+" y="([\d.]+)"/.exec(svg)![1])) < 0.1, "the one peak among 100,000 points reaches the top");
});

test("text from data is escaped, and what XML cannot hold is left out", () => {
  const svg = renderSvg(lineChart({ title: 'a < b & "c" \u0000\ud800 <|im_end|>', x: { label: "<s>" }, y: { label: "y" }, series: [{ name: "<b>&amp;", x: [1], y: [1] }, { name: "2", x: [1], y: [2] }] }));
  assert.match(svg, /a &lt; b &amp; &quot;c&quot; {1,2}&lt;\|im_end\|&gt;/);
  assert.match(svg, />&lt;s&gt;</);
  assert.match(svg, />&lt;b&gt;&amp;amp;</);
});
