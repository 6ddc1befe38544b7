// The whole worker: the gateway, and the classes of its Durable Objects. What is sold is in wrangler.toml.
export { default, Payment, MintBudget, Allowance, Totals, Account } from "satstile";
