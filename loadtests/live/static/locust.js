// Added to Locust's page: the field Host shows the services that are chosen.
const addresses = JSON.parse(document.querySelector(".to-live").dataset.addresses);

document.addEventListener("change", ({ target }) => {
  if (target.name !== "service") return;
  const chosen = [...target.selectedOptions].map((option) => addresses[option.value]);
  target.form.elements.host.value = chosen.join(", ");
});
new MutationObserver(() => {
  for (const host of document.querySelectorAll("form [name=host]")) {
    Object.assign(host, { readOnly: true, tabIndex: -1 });
  }
  for (const select of document.querySelectorAll("form [name=service]:not([data-seen])")) {
    select.dataset.seen = "";
    const [first] = select.selectedOptions;
    if (first) select.scrollTop = first.index * first.offsetHeight + 16; // so that it is in sight
  }
}).observe(document.body, { childList: true, subtree: true });
