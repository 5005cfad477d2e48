import type { Logger } from "../flow/logger.ts";

/** Warns of every positional that looks like a flag, for it came too late to be one (contract 1.2 step 7, 8.5). */
export function warnFlagLikePositionals(positionals: readonly string[], logger: Logger): void {
  for (const argument of positionals.filter((text) => text.startsWith("-")))
    logger.warn(
      `Warning: unconsumed flag-like positional arg: \n\t${argument}\n\t This will not be interpreted as a flag.` +
        "\n\t Did you mean to put this before the first positional argument?",
    );
}
