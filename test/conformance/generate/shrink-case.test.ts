import { expect, test } from "vitest";
import { type ConformanceCase, completeCase } from "../recorded-case.ts";
import { generateCase } from "./generate-case.ts";
import { shrinkCase } from "./shrink-case.ts";

test("a seed makes the same case again, and another seed another", () => {
  expect(generateCase(7)).toEqual(generateCase(7));
  expect(generateCase(7)).not.toEqual({ ...generateCase(8), name: "generated-7" });
});

test("a case is shrunk to the parts that it needs to show something", async () => {
  const paths = Array.from({ length: 13 }, (_, i) => `d/${i}`);
  const given = completeCase({
    name: "x",
    args: ["-a", "-b", "-c"],
    env: { A: "1", B: "2" },
    files: [{ path: "d", type: "dir" }, ...paths.map((path) => ({ path }))],
    previous: { args: [] },
  });
  const has = ({ files }: ConformanceCase, path: string) => files.some((file) => file.path === path);
  const shows = async (tried: ConformanceCase) =>
    has(tried, "d") && has(tried, "d/3") && has(tried, "d/9") && tried.args.includes("-b") && tried.env.A === "1";
  const { files, args, env, previous } = await shrinkCase(given, shows);
  expect({ files: files.map(({ path }) => path), args, env, previous }).toEqual({
    files: ["d", "d/3", "d/9"],
    args: ["-b"],
    env: { A: "1" },
    previous: undefined,
  });
});
