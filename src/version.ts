/** The package's version, which `-version` prints. */
export const VERSION = "0.1.0";
