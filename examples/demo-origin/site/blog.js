// A page of another site: no cookie reaches the article from here, so it is fetched with the header that was paid for.
// The component keeps that header in this tab, and tells it again after a reload.
const paywall = document.querySelector("satstile-paywall");
const article = document.getElementById("article");

paywall.addEventListener("satstile:token", async (event) => {
  const { authorization, resource } = event.detail;
  try {
    const response = await fetch(resource, { headers: { Authorization: authorization, Accept: "text/markdown" } });
    if ([401, 402].includes(response.status)) return paywall.forget(); // its time is over, so the paywall asks anew
    if (!response.ok) throw new Error(`the answer was ${response.status}`);
    show(await response.text());
  } catch (error) {
    const sorry = `The article did not load (${error.message}). Your payment stays good: reload the page.`;
    article.replaceChildren(element("p", sorry));
  }
});

// Only ever as text: what somebody else's server sends is not markup of ours.
function show(markdown) {
  const [title, ...paragraphs] = markdown.replace(/[*`]/g, "").trim().split(/\n{2,}/);
  article.replaceChildren(
    element("h2", title.replace(/^#+ /, "")),
    ...paragraphs.map((text) => element("p", text)),
  );
  article.scrollIntoView({ block: "nearest" });
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
