// What a person reads, in English or in the language of the page. Other languages are fetched when one is needed.
import english from "../lang/en.json";

// Filled in at build time: an amount must read as it was translated, whatever lies between the edge and here (T115).
const LANGUAGES = Object.keys(HASHES);
let bring = async () => ({}); // takes a code, and the hash of its texts
export const configure = (loader) => { bring = loader; };

export const wordsOf = async (tag) => {
  const code = tag.split("-")[0].toLowerCase();
  let texts;
  if (LANGUAGES.includes(code)) texts = await bring(code, HASHES[code]).catch(() => {});
  if (!texts && code !== "en") tag = "en";
  try { Intl.getCanonicalLocales(tag); } catch { tag = code; } // a tag is the page's, and may be anything
  const text = (id, values) => {
    const known = texts?.[id];
    return String(typeof known === "string" ? known : english[id] ?? "").replace(/{(\w+)}/g, (_, name) => values?.[name] ?? "");
  };
  return {
    text,
    tag: texts ? code : "en", // what the texts are in
    dir: texts && code === "ar" ? "rtl" : "ltr",
    amount: (sats) => text("amount", { n: new Intl.NumberFormat(tag).format(sats) }),
    time: (at) => new Intl.DateTimeFormat(tag, { timeStyle: "short" }).format(at * 1000),
  };
};
