// <satstile-paywall>: a 402 becomes a QR code, a payment opens the page.

/** Where and how the paywall shows itself. */
export type Mode =
  /** In the page, where the element stands. */
  | "inline"
  /** The link or button inside opens a dialog. */
  | "button"
  /** A dialog that `open()` shows. */
  | "modal"
  /** A page of its own, as the gateway's 402 is. */
  | "page";
export type Theme = "auto" | "light" | "dark";
/** A list of wallets, the system's own chooser, or neither. `auto` knows which systems have no chooser. */
export type Wallets = "auto" | "list" | "none";
/** Where the credential stays: in a cookie of the seller (on its own pages), in this tab, or nowhere. */
export type Remember = "cookie" | "session" | "none";

/** What a person can keep as a proof. It holds no token: who finds it can check the purchase and not use it. */
export interface Receipt {
  type: "satstile-receipt";
  resource: string;
  /** The seller's origin. */
  issuer: string;
  service?: string;
  description?: string;
  /** As a person reads it: `21 sats`. */
  price?: string;
  amount_msat: number;
  /** RFC 3339, by the clock of this device. */
  paid_at: string;
  /** BOLT11. */
  invoice: string;
  payment_hash: string;
  preimage: string;
  /** Made with a key of the seller's `/.well-known/satstile/keys.json`; missing when it could not be fetched. */
  signature?: string;
}

/** An invoice as the events tell it; what is not known yet is missing. */
export interface PaymentDetail {
  resource: string;
  /** BOLT11. */
  invoice?: string;
  amountMsat?: number;
  paymentHash?: string;
  /** RFC 3339. */
  expiresAt?: string;
}

export interface TokenDetail {
  /** The value of an `Authorization` header that opens the resource. */
  authorization: string;
  resource: string;
}

export type ErrorKind =
  /** `src` is not an address on the web. */
  | "src"
  /** A part of this component did not load. */
  | "load"
  /** More than `max-sats`. */
  | "too-dear"
  /** The invoice is not what the seller says it costs. Nothing is shown that could be paid. */
  | "mismatch"
  /** The 402 cannot be read. */
  | "challenge"
  /** The seller says it was paid, and its proof is false. */
  | "false-proof"
  | "unreachable"
  /** Cannot be sold just now; nothing was charged, and it is asked for again. */
  | "unsold"
  /** Too many requests. */
  | "limited"
  /** Paid, and not let in. */
  | "refused";

export interface ErrorDetail extends Partial<PaymentDetail> {
  kind: ErrorKind;
  message?: string;
}

/** All of them bubble and leave the shadow tree. */
export interface SatstilePaywallEventMap {
  /** A 402 was read. */
  "satstile:challenge": CustomEvent<PaymentDetail>;
  /** An invoice is on the screen. */
  "satstile:invoice": CustomEvent<PaymentDetail>;
  /** A payment is awaited. */
  "satstile:pending": CustomEvent<PaymentDetail>;
  /** The invoice was replaced. A payment of the one before still counts. */
  "satstile:renewed": CustomEvent<PaymentDetail>;
  "satstile:expired": CustomEvent<PaymentDetail>;
  /** Paid, and proven. */
  "satstile:settled": CustomEvent<PaymentDetail>;
  /** Cancelable: with `preventDefault()` the page keeps the credential, and the component does not. */
  "satstile:token": CustomEvent<TokenDetail>;
  "satstile:error": CustomEvent<ErrorDetail>;
  /** The dialog was closed. */
  "satstile:close": CustomEvent<{}>;
}

/** `fetch`, and what to do when it costs something. */
export interface PaidRequestInit extends RequestInit {
  /** More than this is not asked of anybody: the 402 is returned. */
  maxSats?: number;
  lang?: string;
  theme?: Theme;
  wallets?: Wallets;
  /** `"none"`: ask again the next time. */
  remember?: "session" | "none";
}

export class SatstilePaywall extends HTMLElement {
  static readonly observedAttributes: string[];

  /**
   * Like `fetch`. A 402 becomes a dialog, and once it is paid the request is sent again, once. Who closes the dialog gets
   * the 402.
   */
  static fetch(input: RequestInfo | URL, init?: PaidRequestInit): Promise<Response>;

  /** What is sold: the address that answers 402. */
  src: string;
  mode: Mode;
  theme: Theme;
  wallets: Wallets;
  remember: Remember;
  /** `max-sats`; `Infinity` without one. */
  maxSats: number;

  /** Shows the dialog, or asks for an invoice. */
  open(): Promise<void>;
  close(): Promise<void>;
  /** Asks for a new invoice. */
  renew(): Promise<void>;
  /** Looks now whether it was paid. */
  check(): Promise<void>;
  /** Gives up what was bought, and asks anew. */
  forget(): Promise<void>;
  /** Once, when it was paid here. */
  whenPaid(): Promise<Receipt>;

  addEventListener<K extends keyof SatstilePaywallEventMap>(
    type: K,
    listener: (this: SatstilePaywall, event: SatstilePaywallEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener<K extends keyof HTMLElementEventMap>(
    type: K,
    listener: (this: SatstilePaywall, event: HTMLElementEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

/** The attributes, for JSX. */
export interface SatstilePaywallAttributes {
  src?: string;
  mode?: Mode;
  theme?: Theme;
  wallets?: Wallets;
  remember?: Remember;
  "max-sats"?: number | string;
  /** The same, as JSX spells it. */
  maxSats?: number | string;
  lang?: string;
}

/** As React 19 names listeners of custom events. */
export type SatstilePaywallListeners = {
  [K in keyof SatstilePaywallEventMap as `on${K}`]?: (event: SatstilePaywallEventMap[K]) => void;
};

declare global {
  interface HTMLElementTagNameMap {
    "satstile-paywall": SatstilePaywall;
  }
  interface GlobalEventHandlersEventMap extends SatstilePaywallEventMap {}
}

// Without React these lines say nothing, and that is meant.
// @ts-ignore
declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      // @ts-ignore
      "satstile-paywall": DetailedHTMLProps<HTMLAttributes<SatstilePaywall>, SatstilePaywall> & SatstilePaywallAttributes & SatstilePaywallListeners;
    }
  }
}
