import type { Logger } from "../flow/logger.ts";

/**
 * Warns about positional arguments that look like flags, which come too late to be parsed
 * (docs/compatibility.md#odd-lines).
 */
export function warnFlagLikePositionals(positionals: readonly string[], logger: Logger): void {
  for (const argument of positionals.filter((text) => text.startsWith("-")))
    logger.warn(
      `Warning: unconsumed flag-like positional arg: \n\t${argument}\n\t This will not be interpreted as a flag.` +
        "\n\t Did you mean to put this before the first positional argument?",
    );
}
