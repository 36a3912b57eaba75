import { display } from "../engine/host";
import { table } from "../log/table";

export const profileNames = ["quick", "small", "default", "full"] as const;
export type ProfileName = (typeof profileNames)[number];

/** All that a profile may change: how much is computed, and the learning rate that goes with it. Never what is computed. */
const described = {
  rows: "training rows",
  heldOutRows: "held-out rows",
  unseenRows: "rows of other text",
  samples: "sampled answers",
  epochs: "epochs",
  steps: "steps by hand",
  batchSize: "pairs in a batch",
  loopBatchSize: "pairs in a batch by hand",
  learningRate: "learning rate",
  maxLength: "longest sequence, tokens",
  maxPromptLength: "longest prompt, tokens",
  maxCompletionLength: "longest answer, tokens",
  maxNewTokens: "longest sampled answer, tokens",
} as const;

export type SettingName = keyof typeof described;
export type Settings = Partial<Record<SettingName, number>>;

/** What a machine with 8 GiB of memory changes in `default`: batches of half the size. What is learnt stays what it is. */
function smaller<Full extends Settings>(settings: Full): Full {
  const half = (["batchSize", "loopBatchSize"] as const).flatMap((key) => {
    const whole: number | undefined = settings[key];
    return whole === undefined ? [] : [[key, Math.max(1, Math.floor(whole / 2))] as const];
  });
  return { ...settings, ...Object.fromEntries(half) };
}

/** The profile of this session: the environment variable ALIGNLAB_PROFILE, or "default". */
export function profileName(): ProfileName {
  const name = process.env.ALIGNLAB_PROFILE || "default";
  if (!(profileNames as readonly string[]).includes(name)) {
    throw new Error(`ALIGNLAB_PROFILE is "${name}"; the profiles are ${profileNames.join(", ")}.`);
  }
  return name as ProfileName;
}

/**
 * The settings of this session's profile, shown beside the original's.
 * @param notebook number or name, for the table's title
 * @param settings `full` holds the original's values; `default` and `quick` what they change. `small`, for 8 GiB of
 *   memory, is `default` with batches of half the size.
 */
export function profile<Full extends Settings>(notebook: string, settings: { full: Full; default: Partial<Full>; quick: Partial<Full> }): { [Name in keyof Full]: number } {
  const name = profileName();
  const chosen = name === "small" ? smaller({ ...settings.full, ...settings.default }) : { ...settings.full, ...settings[name] };
  const names = Object.keys(settings.full) as SettingName[];
  const unknown = Object.keys(chosen).filter((key) => !(key in described));
  if (unknown.length > 0) throw new Error(`A profile may change ${Object.keys(described).join(", ")}; not ${unknown.join(", ")}.`);
  const rows = names.map((key) => ({
    setting: described[key],
    "this run": format(chosen[key]!),
    original: format(settings.full[key]!),
    "": chosen[key] === settings.full[key] ? "" : "differs",
  }));
  display(table(rows, { caption: `Notebook ${notebook}, profile ${name}${name === "quick" ? ": it shows that everything runs; texts are cut and training is short, so read nothing into its figures" : ""}` }));
  return chosen as { [Name in keyof Full]: number };
}

function format(value: number): string {
  if (Math.abs(value) > 0 && Math.abs(value) < 0.01) return value.toExponential();
  return value.toLocaleString("en-US");
}
