/**
 * Exit codes of exporter and creator (docs/compatibility.md#exit-codes). The platform specification reserves 1-10 for
 * generic errors, 11-12 for APIs, and a block of ten for each phase, of which 20-29 is detect and 60-69 is export.
 */
export const EXIT_CODES = {
  /** Also when only the cache export failed. */
  success: 0,
  /** Everything that has no code of its own: unreadable files, keychain, chown, cache creation, bad log level. */
  failed: 1,
  /** Flags that do not parse; what Go's flag package exits with. */
  flagSyntax: 2,
  invalidArgs: 3,
  platformApi: 11,
  buildpackApi: 12,
  /** The creator's own; the other codes of its phases are passed on. */
  detectFailed: 22,
  /** Anything that export itself or writing report.toml returns. */
  exportFailed: 62,
} as const;
