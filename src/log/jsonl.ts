export { jsonlCallback, readJsonl, writeJsonl } from "../step/jsonl";
