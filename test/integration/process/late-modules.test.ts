import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { ROOT } from "../../../scripts/script.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { startProgram } from "../../support/process/exporter.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

/* Loading a module of Node.js takes up to 9 ms, where an empty script takes 27 in all. */

const BUNDLE = join(ROOT, "dist", "cli.cjs");

/** Makes Node.js write the names of the modules that it has loaded, other than its internal ones. */
function listing() {
  const list = join(tempTree(), "list.json");
  const script = `process.on("exit", () => {
    const names = process.moduleLoadList.filter((name) => /^NativeModule (?!internal\\/)/.test(name));
    require("node:fs").writeFileSync(${JSON.stringify(list)}, JSON.stringify(names.map((name) => name.slice(13))));
  });`;
  const flags = ["--require", join(tempTree({ "list.cjs": script }), "list.cjs")];
  return { flags, loaded: () => z.array(z.string()).parse(JSON.parse(readFileSync(list, "utf8"))) };
}

/** TLS, Node's HTTP, and what starts threads and programs. */
const HEAVY = /^(?:_?http|_?tls|child_process|dgram|sqlite|inspector|assert)/;

test("-version loads none of Node's larger modules except those for standard output", async () => {
  const { flags, loaded } = listing();
  const run = await startProgram(process.execPath, [...flags, BUNDLE, "-version"]).ended;
  expect(run).toMatchObject({ status: 0 });
  expect(loaded()).toContain("net");
  const larger = /^(?:crypto|fs\/promises|readline|v8|worker_threads|zlib)$/;
  expect(loaded().filter((name) => HEAVY.test(name) || larger.test(name))).toEqual([]);
});

test("an export of a few kB over HTTP loads neither TLS nor Node's HTTP nor modules that start threads", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const { flags, loaded } = listing();
  const run = await startProgram(process.execPath, [...flags, BUNDLE, ...scene.arguments({})]).ended;
  expect(run).toMatchObject({ status: 0 });
  expect(loaded()).toContain("crypto");
  expect(loaded().filter((name) => HEAVY.test(name))).toEqual([]);
});
