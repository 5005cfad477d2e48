import { posix } from "node:path";
import type { Fault } from "../errors/fault.ts";
import { withAbsolutePaths } from "../inputs/flags.ts";
import { type ExportOptions, parseOptions, usageFault } from "../inputs/parse.ts";
import { reportingFailures } from "../observe/watch.ts";
import { absolutePath, type Environment, temporaryDirectory } from "../process/environment.ts";
import { readMachine } from "../process/machine.ts";
import { type ExporterContext, runExporter } from "./exporter.ts";

/**
 * As {@link runExporter}, for the library: invalid arguments are an event, too.
 * @param context with the flaw of the caller's environment, if it has one
 */
export async function runExporterWith(
  options: ExportOptions,
  context: ExporterContext & { readonly flaw: Fault | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { env, cwd, onEvent, flaw } = context;
  const parse = async () => {
    if (flaw !== undefined) throw flaw;
    const command = parseOptions(options, env, readMachine(temporaryDirectory(env)));
    const absolute = { ...context, env: withAbsoluteVariables(env, cwd) };
    return [{ ...command, flags: withAbsolutePaths(command.flags, cwd) }, absolute] as const;
  };
  await runExporter(...(await reportingFailures(undefined, onEvent, parse)), signal);
}

/** Variables with one path, other than those of flags. */
const PATH_VARIABLES = [
  ...["DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CERT_PATH"],
  ...["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "AZURE_FEDERATED_TOKEN_FILE", "SSL_CERT_FILE"],
];

function withAbsoluteVariables(env: Environment, cwd: string): Environment {
  const absolute = (path: string | undefined) => path && absolutePath(cwd, path);
  const paths = PATH_VARIABLES.map((name) => [name, absolute(env[name])] as const);
  // A list.
  const directories = env.SSL_CERT_DIR?.split(":").map(absolute).join(":");
  return { ...env, ...Object.fromEntries(paths), SSL_CERT_DIR: directories };
}

/**
 * Checks the library's second argument, which may come from a caller without types.
 * @returns undefined if it is valid
 */
export function environmentFault(given: unknown): Fault | undefined {
  if (!isObject(given)) return usageFault("the environment must be an object");
  if (given.env !== undefined && !isObject(given.env)) return usageFault("the environment's env must be an object");
  const unknown = Object.keys(given).find((name) => !ENVIRONMENT_MEMBERS.includes(name));
  if (unknown !== undefined) return usageFault(`unknown member ${unknown} of the environment`);
  for (const name of ["cwd", "home"]) {
    const path = given[name];
    // A relative path would depend on the working directory of the process.
    if (path !== undefined && !(typeof path === "string" && posix.isAbsolute(path)))
      return usageFault(`the environment's ${name} must be an absolute path`);
  }
  if (given.logger !== undefined && !isLogger(given.logger))
    return usageFault("the environment's logger must have the methods debug, info, warn and error");
  if (given.signal !== undefined && !(given.signal instanceof AbortSignal))
    return usageFault("the environment's signal must be an AbortSignal");
  return undefined;
}

const ENVIRONMENT_MEMBERS = ["env", "cwd", "home", "logger", "signal"];

function isLogger(value: unknown): boolean {
  if (!isObject(value) && typeof value !== "function") return false;
  return ["debug", "info", "warn", "error"].every((name) => typeof Reflect.get(value, name) === "function");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
