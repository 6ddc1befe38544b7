const call = document.getElementById("call");
const answer = document.getElementById("answer");

const SatstilePaywall =
  await customElements.whenDefined("satstile-paywall");
call.addEventListener("click", async (event) => {
  event.preventDefault();
  try {
    const response = await SatstilePaywall.fetch(call.href);
    const seen = await response.json();
    answer.textContent = JSON.stringify(seen, null, 2);
  } catch (error) {
    answer.textContent = error.message;
  }
});
