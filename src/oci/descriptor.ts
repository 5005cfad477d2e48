import { z } from "zod";
import { type Digest, isSha256 } from "./digest.ts";

/** Zod schema of a digest that is at least syntactically a SHA-256. */
export const digestSchema = z.custom<Digest>((value) => typeof value === "string" && isSha256(value), {
  error: "expected sha256:<64 hex digits>",
});

export const platformSchema = z.object({
  architecture: z.string().default(""),
  os: z.string().default(""),
  "os.version": z.string().optional(),
  "os.features": z.array(z.string()).optional(),
  variant: z.string().optional(),
  features: z.array(z.string()).optional(),
});

/** A content descriptor (image-spec v1.1.1 descriptor.md). `size` is in bytes. Unknown members are dropped, as Go's struct does. */
export const descriptorSchema = z.object({
  mediaType: z.string(),
  size: z.int().nonnegative(),
  digest: digestSchema,
  data: z.string().optional(),
  urls: z.array(z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  platform: platformSchema.optional(),
  artifactType: z.string().optional(),
});

export type Platform = z.infer<typeof platformSchema>;
export type Descriptor = z.infer<typeof descriptorSchema>;
