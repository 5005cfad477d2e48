import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../../scripts/script.ts";
import { runtimeList } from "../../../src/process/environment.ts";
import { tempTree } from "../files/temp-tree.ts";

const LISTS = readFileSync(join(ROOT, "bin", "runtime.sh"), "utf8");

/** The variables that bin/runtime.sh hides from Node.js. */
export const HIDDEN_VARIABLES = [
  ...runtimeList(LISTS, "runtime_variables"),
  ...runtimeList(LISTS, "library_variables"),
];

/** Make the loader of a dynamically linked shell print something or exit before the start script's first line. */
const ACTS_ON_THE_SHELL = new Set(["LD_AUDIT", "LD_DEBUG", "LD_PRELOAD", "LD_SHOW_AUXV", "LD_TRACE_LOADED_OBJECTS"]);

/** Invalid for any variable, with everything that breaks shells and lists of variables. */
const NONSENSE = "nonsense, and\nNODE_OPTIONS=--no-such-option \"$HOME\" '`id`' \\ ";

/**
 * Every hidden variable, with a value that would change or end an export if Node.js saw it. Its files are removed after
 * the test.
 */
export function hostileEnvironment(): Readonly<Record<string, string>> {
  const directory = tempTree({
    "openssl.cnf": "nodejs_conf = x\n[x]\nproviders = y\n[y]\nz = z\n[z]\nactivate = 1\nmodule = /nonexistent.so\n",
    "lib/libstdc++.so.6": "not a library\n",
    "modules/@napi-rs/nice/index.js": "process.exit(77);\n",
    "coverage/": "",
  });
  const values: Readonly<Record<string, string>> = {
    AWS_LAMBDA_BENCHMARK_MODE: "1",
    DEBUG: "*",
    FORCE_COLOR: "3",
    GLIBC_TUNABLES: "glibc.malloc.perturb=170",
    LD_LIBRARY_PATH: join(directory, "lib"),
    MALLOC_PERTURB_: "170",
    NODE_COMPILE_CACHE: join(directory, "coverage"),
    NODE_DEBUG: "module,http,net,tls,worker",
    NODE_DEBUG_NATIVE: "all",
    NODE_EXTRA_CA_CERTS: "/nonexistent.pem",
    NODE_OPTIONS: "--require=/nonexistent/preload.js",
    NODE_PATH: join(directory, "modules"),
    NODE_PENDING_DEPRECATION: "1",
    NODE_REDIRECT_WARNINGS: join(directory, "warnings"),
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    NODE_USE_ENV_PROXY: "1",
    NODE_USE_SYSTEM_CA: "1",
    NODE_V8_COVERAGE: join(directory, "coverage"),
    NO_COLOR: "",
    OPENSSL_CONF: join(directory, "openssl.cnf"),
    OPENSSL_ia32cap: "0",
    PISCINA_DISABLE_ATOMICS: "1",
    UV_THREADPOOL_SIZE: "1",
    UV_USE_IO_URING: "1",
  };
  const names = HIDDEN_VARIABLES.filter((name) => !ACTS_ON_THE_SHELL.has(name));
  return Object.fromEntries(names.map((name) => [name, values[name] ?? NONSENSE]));
}

/** @param environ `/proc/<pid>/environ` (proc(5)) */
export function environmentOf(environ: string): Record<string, string> {
  const pairs = environ.split("\0").filter((pair) => pair !== "");
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
}

export function threadNames(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((id) => readFileSync(`/proc/${pid}/task/${id}/comm`, "utf8").trim());
}
