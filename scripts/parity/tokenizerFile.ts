import type { Message } from "../../src/tokens/tokenizer";
import { Entry, FormatError } from "./entry";

/** A file of a tokenizer's figures. */
export interface TokenizerFile {
  strings: string[];
  ids: number[][];
  decoded: string[];
  chats: { messages: Message[]; addGenerationPrompt: boolean; text: string; ids: number[] }[];
  /** Places that hold something this program does not know. */
  unknown: string[];
}

export const isTokenizerFile = (file: Entry): boolean => file.has("strings") || file.has("chats");

/** @throws FormatError naming the place that is not as the format has it */
export function readTokenizerFile(file: Entry): TokenizerFile {
  const strings = file.has("strings") ? file.at("strings").items().map((entry) => entry.string()) : [];
  const column = <T>(key: string, read: (entry: Entry) => T): T[] => (file.has(key) ? file.at(key).items(strings.length).map(read) : []);
  const chats = file.has("chats") ? file.at("chats").items() : [];
  const figures: TokenizerFile = {
    strings,
    ids: column("ids", (entry) => entry.integers()),
    decoded: column("decoded", (entry) => entry.string()),
    chats: chats.map((chat) => ({
      messages: chat.at("messages").items().map((message) => ({ role: message.at("role").string(), content: message.at("content").string() })),
      addGenerationPrompt: chat.at("add_generation_prompt").boolean(),
      text: chat.at("text").string(),
      ids: chat.at("ids").integers(),
    })),
    unknown: file.keys().filter((key) => !["strings", "ids", "decoded", "chats", "made_with", "note"].includes(key)),
  };
  if (figures.ids.length + figures.decoded.length + figures.chats.length === 0) throw new FormatError("the file has no ids, no decodings and no chats to check");
  if (figures.decoded.length > 0 && figures.ids.length === 0) throw new FormatError("decoded is there without the ids that it is decoded from");
  return figures;
}
