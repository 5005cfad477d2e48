import { expect, test } from "vitest";
import { Fault } from "../../../src/errors/fault.ts";
import { fromWire, toWire } from "../../../src/errors/wire.ts";

function across(error: unknown): Fault {
  return fromWire(structuredClone(toWire(error)));
}

test("a fault keeps its fields, and the thread's stack becomes the cause's", () => {
  const fault = new Fault("EXPORT_LAYER_CHANGED", "file changed", {
    exitCode: 62,
    hint: "Do not.",
    destination: "/layers/x",
  });
  const arrived = across(fault);
  expect(arrived).toBeInstanceOf(Fault);
  expect({ ...arrived }).toEqual({ ...fault });
  expect(arrived.message).toBe("file changed");
  expect(arrived.cause).toMatchObject({ message: "file changed", stack: fault.stack });
});

test("absent fields stay absent", () => {
  const arrived = across(new Fault("EXPORT_LAYER_READ", "text"));
  expect([arrived.exitCode, arrived.ownHint, arrived.destination]).toEqual([undefined, undefined, undefined]);
});

test.each([
  [new TypeError("not a function"), "not a function"],
  ["just text", "just text"],
])("anything else becomes an internal fault: %s", (thrown, message) => {
  expect(across(thrown)).toMatchObject({ name: "Fault", code: "EXPORT_INTERNAL", message });
});
