/**
 * Exit codes of exporter and creator (docs/compatibility.md#exit-codes). The platform specification reserves 1-10 for
 * generic errors, 11-12 for APIs, and a block of ten for each phase, of which 20-29 is detect and 60-69 is export; 2 is
 * the code of Go's flag package.
 */
export const EXIT_CODES = {
  success: 0,
  failed: 1,
  flagSyntax: 2,
  invalidArgs: 3,
  platformApi: 11,
  buildpackApi: 12,
  detectFailed: 22,
  exportFailed: 62,
} as const;
