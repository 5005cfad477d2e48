import type { Challenge } from "../http/challenge.ts";
import type { Credentials } from "./credentials.ts";

export interface Refusal {
  readonly status: number;
  readonly challenge: Challenge;
  readonly scopes: readonly string[];
  readonly header: string | undefined;
}

export interface RegistryLogin {
  readonly scheme: "basic" | "bearer";
  authorization(scopes: readonly string[], signal?: AbortSignal): Promise<string | undefined>;
  /** Handles a refused header. @returns whether a later one may be accepted */
  refused(refusal: Refusal): boolean;
}

/**
 * The first challenge with the preferred scheme, or else with a supported one, which becomes lower case: Nexus sends
 * `BASIC`.
 */
export function pickChallenge(
  challenges: readonly Challenge[],
  preferred?: RegistryLogin["scheme"],
): Challenge | undefined {
  const supported = challenges
    .map(({ scheme, parameters }) => ({ scheme: scheme.toLowerCase(), parameters }))
    .filter(({ scheme }) => scheme === "basic" || scheme === "bearer");
  return supported.find(({ scheme }) => scheme === preferred) ?? supported[0];
}

/**
 * A registry that takes user and password with every request, like ECR, or that sends no challenge (as in
 * go-containerregistry; docs/compatibility.md#registry-handshake). Credentials from a helper or a cloud may expire
 * during an export and are then renewed.
 */
export class BasicLogin implements RegistryLogin {
  readonly scheme = "basic";
  #credentials: Credentials;
  #isRefused = false;
  readonly #final = new Set<string>();

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  async authorization(): Promise<string | undefined> {
    const header = this.#credentials.authorization;
    if (!this.#isRefused || header === undefined) return header;
    const fresh = await this.#credentials.renewed();
    if (fresh?.authorization === undefined || fresh.authorization === header) this.#final.add(header);
    else this.#credentials = fresh;
    this.#isRefused = false;
    return this.#credentials.authorization;
  }

  refused({ status, header }: Refusal): boolean {
    if (status !== 401 || header === undefined || this.#final.has(header)) return false;
    // Another request was refused before, and the credentials are already renewed.
    if (header !== this.#credentials.authorization) return true;
    if (!this.#credentials.canRenew) return false;
    this.#isRefused = true;
    return true;
  }
}
