import type { Tokenizer } from "../../src/tokens/tokenizer";
import type { Report } from "./report";
import type { TokenizerFile } from "./tokenizerFile";

/** Ids, decodings and rendered chats must be Python's to the last character. */
export function checkTokenizer(file: TokenizerFile, tokenizer: Tokenizer, report: Report): void {
  file.ids.forEach((ids, i) => report.same("ids of texts", `ids[${i}]`, tokenizer.encode(file.strings[i]!), ids));
  file.decoded.forEach((text, i) => report.same("decoded texts", `decoded[${i}]`, tokenizer.decode(file.ids[i]!), text));
  file.chats.forEach(({ messages, addGenerationPrompt, text, ids }, i) => {
    const rendered = tokenizer.applyChatTemplate(messages, { addGenerationPrompt });
    report.same("texts of chats", `chats[${i}].text`, rendered, text);
    report.same("ids of chats", `chats[${i}].ids`, tokenizer.encode(rendered), ids);
  });
  for (const place of file.unknown) report.unsupported(place, "not a part of the format that this program knows");
}
