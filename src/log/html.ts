export * from "../engine/html";
