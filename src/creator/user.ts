import { readFileSync } from "node:fs";
import { Fault, failTo } from "../errors/fault.ts";
import { pathFault } from "../go/errno.ts";
import type { Environment } from "../process/environment.ts";

export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly environment: Environment;
}

/**
 * HOME and USER from the user database (docs/compatibility.md#users-and-permissions). An unlisted user keeps those of
 * the environment, as in the reference. USER is the login name; the reference uses the full name, which is mostly
 * empty.
 * @throws Fault `failed to set environment for user <uid>: ...`
 */
export function lookUpUser(uid: number, gid: number, env: Environment, database = "/etc/passwd"): User {
  try {
    return { uid, gid, environment: findUser(uid, database) ?? inherited(uid, env) };
  } catch (error) {
    throw failTo(`set environment for user ${uid}`, error);
  }
}

function findUser(uid: number, database: string): Environment | undefined {
  for (const line of readDatabase(database).split("\n")) {
    const [name = "", , id, , , home = ""] = line.trim().split(":");
    if (id === String(uid) && name !== "" && !name.startsWith("#")) return { HOME: home, USER: name };
  }
  return undefined;
}

function readDatabase(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw pathFault("EXPORT_PRIVILEGES", "open", path, error, { hint: LIST_USER });
  }
}

function inherited(uid: number, { HOME = "", USER = "" }: Environment): Environment {
  if (HOME !== "" && USER !== "") return { HOME, USER };
  throw new Fault("EXPORT_PRIVILEGES", `user: unknown userid ${uid}`, {
    hint: LIST_USER,
  });
}

const LIST_USER = "Add the user of -uid (CNB_USER_ID) to /etc/passwd, or set HOME and USER.";
