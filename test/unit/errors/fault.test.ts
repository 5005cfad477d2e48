import { expect, test } from "vitest";
import { Fault, failTo, messageOf, withContext } from "../../../src/errors/fault.ts";

const deep = new Fault("EXPORT_ARGS_REFERENCE", "could not parse", {
  exitCode: 3,
  hint: "Write it so.",
  destination: "reg.example",
  cause: new Error("low"),
});

test("context goes in front and all else stays", () => {
  expect(withContext("outer", deep, "EXPORT_INTERNAL")).toMatchObject({
    message: "outer: could not parse",
    code: "EXPORT_ARGS_REFERENCE",
    exitCode: 3,
    hint: "Write it so.",
    destination: "reg.example",
    cause: deep,
  });
});

test("context on what is no fault takes the given code", () => {
  const error = new Error("low");
  const fault = withContext("outer", error, "EXPORT_LAYER_READ");
  expect(fault).toMatchObject({ message: "outer: low", code: "EXPORT_LAYER_READ", cause: error });
  expect(fault.exitCode).toBeUndefined();
  expect(withContext("outer", "text").message).toBe("outer: text");
});

test.each([
  ["the stated exit code", deep, 62, 62],
  ["else the cause's", deep, undefined, 3],
  ["else 1", new Error("low"), undefined, 1],
])("failTo: %s", (_, error, stated, exitCode) => {
  expect(failTo("export", error, stated)).toMatchObject({
    message: `failed to export: ${messageOf(error)}`,
    exitCode,
    cause: error,
  });
});
