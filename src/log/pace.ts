export * from "../engine/pace";
