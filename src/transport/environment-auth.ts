import { z } from "zod";
import { Fault } from "../faults/fault.ts";
import { keepSecret } from "../faults/secrets.ts";
import { Credentials } from "./credentials.ts";

const schema = z.record(z.string(), z.string());

/** Registry to Authorization header, from `CNB_REGISTRY_AUTH` (docs/compatibility.md#credentials). */
export type EnvironmentAuth = ReadonlyMap<string, string>;

/**
 * Parses the value of `CNB_REGISTRY_AUTH`; undefined or "" is an empty map.
 * @throws Fault without any part of the value in it, because JSON.parse's own message quotes some
 */
export function parseEnvironmentAuth(value: string | undefined): EnvironmentAuth {
  if (value === undefined || value === "") return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    parsed = undefined;
  }
  const result = schema.nullable().safeParse(parsed);
  if (!result.success) {
    const reason = parsed === undefined ? "invalid JSON" : "expected an object of strings";
    throw new Fault(
      "EXPORT_AUTH_ENVIRONMENT",
      `reading auth env var: failed to parse CNB_REGISTRY_AUTH value: ${reason}`,
      {
        exitCode: 1,
      },
    );
  }
  for (const header of Object.values(result.data ?? {})) keepSecret(header.replace(/^\S+ +/, ""));
  return new Map(Object.entries(result.data ?? {}).map(([registry, header]) => [hostOf(registry), header]));
}

/** A registry's URL or name without scheme and path. */
export function hostOf(registry: string): string {
  return registry.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
}

/** @throws Fault for a header of an unknown kind, at use and not when the variable is read, as the reference does */
export function credentialsOfHeader(header: string): Credentials {
  const [, scheme, value] = /^(basic|bearer|x-identity) (.*)$/i.exec(header) ?? [];
  switch (scheme?.toLowerCase()) {
    case "basic":
      return new Credentials({ auth: value });
    case "bearer":
      return new Credentials({ registryToken: value });
    case "x-identity":
      return new Credentials({ identityToken: value });
    default:
      throw new Fault("EXPORT_AUTH_ENVIRONMENT", "parsing auth header: unknown auth type from header", {
        hint: "Values of CNB_REGISTRY_AUTH start with Basic, Bearer or X-Identity.",
      });
  }
}
