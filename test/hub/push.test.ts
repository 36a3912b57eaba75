import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pushToHub } from "../../src/hub/push";

let server: Server;
let folder: string;
let exists = false;
const seen: { path: string; authorization: string; body: string }[] = [];
const saved = { ...process.env };

/** As much of the hub as a push of small files needs. */
before(async () => {
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk));
    request.on("end", () => {
      seen.push({ path: request.url!, authorization: String(request.headers.authorization), body });
      const json = (status: number, value: unknown): void => void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
      if (request.url === "/api/repos/create") return exists ? json(409, { error: "You already created this model repo" }) : json(200, { url: "x", id: "x" });
      if (request.url!.includes("/preupload/")) return json(200, { files: (JSON.parse(body) as { files: { path: string }[] }).files.map((file) => ({ path: file.path, uploadMode: "regular", shouldIgnore: false })) });
      if (request.url!.includes("/commit/")) return json(200, { commitOid: "a".repeat(40), commitUrl: "x", hookOutput: "" });
      json(404, { error: "not found" });
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  folder = mkdtempSync(join(tmpdir(), "alignlab-push-"));
  writeFileSync(join(folder, "config.json"), '{"model_type":"llama"}');
  writeFileSync(join(folder, "README.md"), "# A card");
});

after(() => {
  server.close();
  rmSync(folder, { recursive: true });
  process.env = saved;
});

function committed(): { path: string; text: string }[] {
  const lines = seen.find(({ path }) => path.includes("/commit/"))!.body.trim().split("\n").map((line) => JSON.parse(line) as { key: string; value: { path: string; content: string } });
  return lines.filter(({ key }) => key === "file").map(({ value }) => ({ path: value.path, text: Buffer.from(value.content, "base64").toString() }));
}

test("a folder's files are committed to a private repository of that name, with the token", async () => {
  const url = await pushToHub(folder, "someone/model", { token: "hf_test" });
  assert.equal(url, `${process.env.HF_ENDPOINT}/someone/model`);
  const create = JSON.parse(seen[0].body) as Record<string, unknown>;
  assert.deepEqual([create.name, create.organization, create.visibility], ["model", "someone", "private"]);
  assert.ok(seen.every(({ authorization }) => authorization === "Bearer hf_test"));
  assert.deepEqual(committed().sort((a, b) => (a.path < b.path ? -1 : 1)), [{ path: "README.md", text: "# A card" }, { path: "config.json", text: '{"model_type":"llama"}' }]);
});

test("a repository that is there already is committed to", async () => {
  exists = true;
  seen.length = 0;
  await pushToHub(folder, "someone/model", { token: "hf_test" });
  assert.equal(committed().length, 2);
});

test("no token, no name, no files: each is said before anything is sent", async () => {
  seen.length = 0;
  delete process.env.HF_TOKEN;
  process.env.HF_TOKEN_PATH = join(folder, "no-token");
  const empty = mkdtempSync(join(tmpdir(), "alignlab-push-"));
  await assert.rejects(pushToHub(folder, "someone/model"), /needs a token with write access/);
  await assert.rejects(pushToHub(folder, "model", { token: "hf_test" }), /owner\/name/);
  await assert.rejects(pushToHub(empty, "someone/model", { token: "hf_test" }), /holds no files/);
  assert.deepEqual(seen, []);
  rmSync(empty, { recursive: true });
});
