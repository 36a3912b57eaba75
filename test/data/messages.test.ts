import assert from "node:assert/strict";
import { test } from "node:test";
import { toImplicitPromptPreferences } from "../../src/data/implicitPrompt";
import { mergeMessages, processItem, type Message } from "../../src/data/messages";

const turn = (role: string, content: string): Message => ({ role, content });
const chat = [turn("user", "Why is the sky blue?"), turn("assistant", "It scatters light.\nBlue most.")];

test("a chat is merged to one line begun for each turn, the role written large", () => {
  assert.equal(mergeMessages(chat), "User: Why is the sky blue?\nAssistant: It scatters light.\nBlue most.");
  assert.equal(mergeMessages([turn("system", "Be brief."), turn("user", "Hi")]), "System: Be brief.\nUser: Hi");
  assert.throws(() => mergeMessages([]), /messages is empty; a list of messages/);
  assert.throws(() => mergeMessages("hello" as never), /messages is a string; a list of messages/);
  assert.throws(() => mergeMessages([chat[0]!, { role: "user" } as never]), /messages: message 1 needs a role and a content, both strings; it is \{"role":"user"\}/);
  assert.throws(() => mergeMessages([null as never]), /messages: message 0 needs a role and a content, both strings; it is null/);
});

test("an item is text as it is, a chat merged, anything else written out", () => {
  assert.equal(processItem("User: hi"), "User: hi");
  assert.equal(processItem(chat), mergeMessages(chat));
  assert.deepEqual([7, true, null, undefined, 12n, { a: [1] }].map(processItem), ["7", "true", "null", "undefined", "12", '{"a":[1]}']);
});

test("the prompt stands at the beginning of both chats, once", () => {
  const [question, answer] = chat as [Message, Message];
  const whole = { chosen: chat, rejected: [question, turn("assistant", "No idea.")] };
  const { chosen, rejected } = whole;
  assert.deepEqual(toImplicitPromptPreferences({ prompt: question.content, chosen: answer.content, rejected: "No idea." }), whole);
  assert.deepEqual(toImplicitPromptPreferences({ prompt: [question], chosen: [answer], rejected: [rejected[1]!] }), whole);
  assert.deepEqual(toImplicitPromptPreferences({ prompt: question.content, chosen, rejected }), whole);
  const before = [turn("system", "Be brief."), question];
  assert.deepEqual(toImplicitPromptPreferences({ prompt: before, chosen: [answer], rejected: "No idea." }), { chosen: [...before, answer], rejected: [...before, rejected[1]] });
  assert.deepEqual(chat.length, 2, "what was given is left as it was");
  assert.throws(() => toImplicitPromptPreferences({ prompt: "Another question", chosen, rejected }), /chosen begins with a turn of user and does not hold the prompt/);
  assert.throws(() => toImplicitPromptPreferences({ prompt: " ", chosen: "a", rejected: "b" }), /prompt is empty/);
  assert.throws(() => toImplicitPromptPreferences({ prompt: "a", chosen: "b", rejected: "" }), /rejected is empty/);
  assert.throws(() => toImplicitPromptPreferences({ prompt: "a", chosen: 3 as never, rejected: "b" }), /chosen is a number; a string or a list of messages/);
});
