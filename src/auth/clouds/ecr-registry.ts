/** A registry of Amazon's, as its host names it. */
export type EcrRegistry =
  | { readonly kind: "public" }
  | { readonly kind: "private"; readonly account: string; readonly region: string; readonly isFips: boolean };

/** As in amazon-ecr-credential-helper v0.12.0, ecr-login/api/client.go. */
const PRIVATE =
  /^(\d{12})\.dkr[.-]ecr(-fips)?\.([a-zA-Z0-9][a-zA-Z0-9-_]*)\.(?:amazonaws\.(?:com(?:\.cn)?|eu)|on\.(?:aws|amazonwebservices\.com\.cn)|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)$/;

/** Undefined for a host that is not Amazon's. @param host without a port */
export function parseEcrRegistry(host: string): EcrRegistry | undefined {
  if (host === "public.ecr.aws" || host === "ecr-public.aws.com") return { kind: "public" };
  const [, account, fips, region] = PRIVATE.exec(host) ?? [];
  if (account === undefined || region === undefined) return undefined;
  return { kind: "private", account, region, isFips: fips !== undefined };
}
