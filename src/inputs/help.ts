import { type FlagDefinition, flagUsage } from "../go/flag.ts";
import type { Command, Flag } from "./flags.ts";

const ARGUMENTS: Readonly<Record<Command, string>> = { exporter: "<image> [<tag>...]", creator: "<image>" };

type HelpFlag = Flag & { readonly definition: FlagDefinition };

/**
 * The output of `-h`: common flags, the lifecycle's other flags, then those that the lifecycle does not have, each with
 * its environment variables. Flag errors show the reference's usage block instead.
 */
export function buildHelp(command: Command, flags: readonly HelpFlag[]): string {
  const isRejected = ({ rejectedBy }: HelpFlag) => rejectedBy === command;
  const ofGroup = (group: Flag["group"]) => flags.filter((flag) => flag.group === group && !isRejected(flag));
  return [
    `Usage: ${command} [<flag>...] ${ARGUMENTS[command]}\n`,
    "\nEnvironment variables override the defaults of flags.\n",
    section("Common flags", ofGroup("common")),
    section("Other flags of the lifecycle", ofGroup(undefined)),
    section("Additional flags (all optional)", ofGroup("additional")),
    section("Rejected flags", flags.filter(isRejected)),
  ].join("");
}

function section(title: string, flags: readonly HelpFlag[]): string {
  if (flags.length === 0) return "";
  const lines = flags.map(({ definition, env, alsoEnv }) => {
    const variables = [env, alsoEnv].flatMap((name) => (name === undefined ? [] : [` [$${name}]`]));
    return flagUsage({ ...definition, usage: definition.usage + variables.join("") });
  });
  return `\n${title}:\n${lines.toSorted().join("")}`;
}
