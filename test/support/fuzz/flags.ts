import { parseGoFlags } from "../../../src/go/flag.ts";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import type { SeededRandom } from "../random.ts";
import { mutated } from "./mutations.ts";
import { type FuzzTarget, outcomeOf } from "./target.ts";

const VALUES = [
  "x",
  "true",
  "F",
  "0x1f",
  "-5",
  "1_000",
  "9223372036854775808",
  "",
  "0b2",
  "-",
  "é",
  "a=b",
  "0_7",
  "+3",
  "1e3",
];
const PIECES = [
  "-",
  "--",
  "=",
  "true",
  "T",
  "0",
  "9".repeat(20),
  "_",
  "x",
  "\0",
  " ",
  "é",
  '"',
  "__proto__",
  "constructor",
];

function argument(random: SeededRandom, names: readonly string[]): string {
  const name = random.below(8) === 0 ? mutated(random, random.pick(names), PIECES) : random.pick(names);
  const dashes = random.pick(["-", "--", "-", "---", ""]);
  if (random.below(3) === 0) return random.pick([...VALUES, "--", "-"]);
  const value = random.below(4) === 0 ? mutated(random, random.pick(VALUES), PIECES) : random.pick(VALUES);
  return `${dashes}${name}${random.below(2) === 0 ? `=${value}` : ""}`;
}

function argumentsOf(random: SeededRandom, names: readonly string[]): string[] {
  return Array.from({ length: random.skewed(4) }, () => argument(random, names));
}

const DEFINITIONS = [
  { name: "s", usage: "", type: "string", initial: "init" },
  { name: "b", usage: "", type: "bool", initial: false },
  { name: "i", usage: "", type: "int", initial: 7 },
  { name: "l", usage: "", type: "list", initial: [] },
] as const;

export const flags: FuzzTarget<string[]> = {
  name: "flags",
  generate: (random) => argumentsOf(random, ["s", "b", "i", "l", "h", "help"]),
  check: (args) => outcomeOf(() => parseGoFlags(DEFINITIONS, args)),
};

const FLAGS = [
  ...["layers", "app", "uid", "cache-image", "parallel", "workers", "log-level", "progress", "compression", "daemon"],
  ...[
    "compression-level",
    "upload-concurrency",
    "insecure-registry",
    "platform-api",
    "run",
    "stack",
    "version",
    "events",
  ],
];
const APIS = ["0.7", "0.13", "0.15", "", "9.9", "x", "0.12.1"];

export interface CommandLineCase {
  readonly command: "exporter" | "creator";
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export const commandLines: FuzzTarget<CommandLineCase> = {
  name: "command-lines",
  generate: (random) => ({
    command: random.pick(["exporter", "creator"]),
    args: argumentsOf(random, FLAGS),
    env: {
      CNB_PLATFORM_API: random.pick(APIS),
      CNB_USER_ID: random.pick(VALUES),
      CNB_EXPORT_WORKERS: random.pick(VALUES),
      CNB_REGISTRY_AUTH: random.pick(["{}", "{", "", '{"__proto__":"Basic eDp5"}']),
    },
  }),
  check: ({ command, args, env }) =>
    outcomeOf(() => parseCommandLine(command, args, env, { cores: 2, tempDir: "/tmp" }).kind),
};
