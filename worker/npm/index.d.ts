// The Worker, as wrangler takes it. What a deployment binds is in `Env`; what the policy may say is in
// policy.schema.json.

// @ts-ignore: the platform's types are there after `wrangler types`; without them these classes extend `any`.
import { DurableObject } from "cloudflare:workers";

/** What wrangler.toml and the secrets give to the Worker. */
export interface Env {
  /** `1:<base64>[,2:<base64>]`: tokens. The first mints, all verify. */
  MASTER_KEYS: string;
  /** `<base64>[,…]`: challenges, cookies, request ids. The first signs, all verify. */
  CHALLENGE_SECRET: string;
  /** `whsec_<base64>[,…]`: shared with the node webhook, for both directions. */
  RELAY_SECRETS?: string;
  /** `whsec_<base64>[,…]`: for payments out; only with `payouts` in the policy. */
  PAYOUT_SECRETS?: string;
  /** Ed25519, PKCS#8 in base64`[,…]`: receipts. */
  RECEIPT_KEY: string;
  /** `<base64>`: opens `/.well-known/satstile/audit`. */
  AUDIT_KEY: string;
  /** `<base64>[,…]`: goes to the origin as `Satstile-Origin-Secret`, so that it can shut out everybody else. */
  ORIGIN_SECRET?: string;
  /** Where the node webhook listens; goes with `RELAY_SECRETS`. */
  NODE_URL?: string;
  /** Instead of the two: the connection string of a back end with an https API. */
  BACKEND?: string;
  /** See policy.schema.json. */
  POLICY: object;
  PAYMENTS: unknown;
  MINT_BUDGET: unknown;
  ALLOWANCES: unknown;
  TOTALS: unknown;
  /** Only with `prepaid` in the policy. */
  ACCOUNTS?: unknown;
}

/** The gateway. */
declare const gateway: {
  fetch(request: Request, env: Env, ctx: { waitUntil(promise: Promise<unknown>): void }): Promise<Response>;
};
export default gateway;

/** One per payment hash: settlements and deliveries. */
export class Payment extends DurableObject {}
/** How many invoices may be asked for; in memory. */
export class MintBudget extends DurableObject {}
/** One per client and service: what is free before paying. */
export class Allowance extends DurableObject {}
/** One per prepaid balance: its books. */
export class Account extends DurableObject {}
/** One per service: counters for the operator. */
export class Totals extends DurableObject {}
