const read = document.getElementById("read");
const paywall = document.getElementById("paywall");

await customElements.whenDefined("satstile-paywall");
read.addEventListener("click", (event) => {
  event.preventDefault();
  paywall.open();
});
