import { userInfo } from "node:os";
import { expect, test } from "vitest";
import {
  givenEnvironment,
  homeDirectory,
  runtimeList,
  signalsIgnoredAtStart,
  temporaryDirectory,
} from "../../../src/process/environment.ts";

test("the original environment is restored: hidden variables regain their names, and the launcher's own and forged ones are removed", () => {
  const given = givenEnvironment({
    PATH: "/bin",
    EMPTY: "",
    TANDEM_HIDDEN: " NODE_COMPILE_CACHE NODE_OPTIONS NO_COLOR",
    TANDEM_INVOKED_AS: "exporter",
    TANDEM_IGNORED_SIGNALS: "0",
    TANDEM_OPEN_FILES: "1024",
    NODE_COMPILE_CACHE: "/ours",
    NODE_COMPILE_CACHE_PORTABLE: "1",
    TANDEM_ENV_NODE_COMPILE_CACHE: "/theirs",
    TANDEM_ENV_NODE_OPTIONS: "a\nb\n",
    TANDEM_ENV_NO_COLOR: "",
    TANDEM_ENV_DEBUG: "forged",
    TANDEM_ENV_PATH: "/forged",
  });
  expect(given).toEqual({
    PATH: "/bin",
    EMPTY: "",
    NODE_COMPILE_CACHE: "/theirs",
    NODE_OPTIONS: "a\nb\n",
    NO_COLOR: "",
  });
});

test.each([
  [{ HOME: "/home/me" }, "/home/me"],
  [{ HOME: "" }, userInfo().homedir],
  [{}, userInfo().homedir],
])("the home directory with %j", (env, home) => {
  expect(homeDirectory(env)).toBe(home);
});

test.each([
  [{ TMPDIR: "/scratch", TMP: "/other" }, "/scratch"],
  [{ TMPDIR: "", TMP: "/other", TEMP: "/other" }, "/tmp"],
  [{ TMP: "/other", TEMP: "/other" }, "/tmp"],
])("the temporary directory with %j", (env, directory) => {
  expect(temporaryDirectory(env)).toBe(directory);
});

test.each([
  [undefined, []],
  ["", []],
  ["0000000001001000", []],
  ["0000000000000001", ["SIGHUP"]],
  ["0000000000000002", ["SIGINT"]],
  ["000000000000100f", ["SIGHUP", "SIGINT"]],
])("signals ignored with the mask %j", (mask, signals) => {
  expect(signalsIgnoredAtStart(mask)).toEqual(signals);
});

test("a list of bin/runtime.sh yields its words, and a missing one is an error", () => {
  const text = "# tandem_names='no'\ntandem_names='\nA B\nC\n'\ntandem_others='D'\n";
  expect(runtimeList(text, "names")).toEqual(["A", "B", "C"]);
  expect(() => runtimeList(text, "none")).toThrow("bin/runtime.sh has no tandem_none='...'");
});
