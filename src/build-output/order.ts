import { z } from "zod";
import { readDocument, table } from "./toml.ts";

const orderSchema = table({ "order-extensions": z.array(z.unknown()).default([]) });

/** False if the file cannot be read, which the detector reports. */
export async function orderHasExtensions(path: string): Promise<boolean> {
  try {
    return (await readDocument("order file", path, orderSchema))["order-extensions"].length > 0;
  } catch {
    return false;
  }
}
